// What transport.h promises, of each transport, on real sockets and without HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "net/server/accepting.h"
#include "net/server/listener.h"
#include "net/server/make_transport.h"
#include "net/server/server_test_support.h"

namespace weir::net {
namespace {

constexpr int64_t kTurnNs = 10'000'000;

std::string Numbers(size_t bytes) {
  std::string text;
  for (size_t i = 0; text.size() < bytes; ++i) text += std::to_string(i) + " ";
  text.resize(bytes);
  return text;
}

// A transport, its listener, and what it has told.
class Bench final : public TransportEvents {
 public:
  struct Told {
    std::string received;
    size_t pieces = 0;
    bool finished = false;
    bool broken = false;
    int writable = 0;
    bool closed = false;
  };

  explicit Bench(TransportKind kind) {
    auto transport = MakeTransport(kind);
    EXPECT_TRUE(transport.has_value());
    transport_ = std::move(*transport);
    auto listener = Listener::Open("127.0.0.1", 0);
    EXPECT_TRUE(listener.has_value());
    listener_ = std::make_unique<Listener>(std::move(*listener));
    transport_->StartAccepting(listener_->descriptor());
  }
  ~Bench() override {
    transport_->StopAccepting();
    for (ConnectionId id = 0; id < told.size(); ++id) {
      if (!told[id].closed) transport_->Close(id, false);
    }
    transport_->Finish();
  }

  Transport* operator->() { return transport_.get(); }
  uint16_t port() const { return listener_->port(); }
  Listener& listener() { return *listener_; }
  void Turn() { transport_->Wait(kTurnNs, *this); }
  template <class Condition>
  bool Until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      Turn();
    }
    return true;
  }
  // The transport's name of a client that has just connected.
  ConnectionId Accept() {
    const size_t before = adopted;
    EXPECT_TRUE(Until([&] { return adopted > before; }));
    return newest;
  }
  void Close(ConnectionId id, bool reset) {
    told[id].closed = true;
    transport_->Close(id, reset);
  }
  // Sends as a session does: what is not taken waits for OnWritable.
  void SendAll(ConnectionId id, std::string_view bytes) {
    while (!bytes.empty()) {
      const int writable = told[id].writable;
      bytes.remove_prefix(transport_->Send(id, bytes));
      if (bytes.empty()) return;
      ASSERT_TRUE(Until([&] { return told[id].writable > writable; }));
    }
  }

  std::vector<Told> told;
  size_t adopted = 0;
  size_t woken = 0;
  ConnectionId newest = 0;
  std::string peer;
  bool echo = false;
  bool refuse = false;
  std::function<void(ConnectionId)> on_received;

 private:
  void OnAwake() override {}
  void OnWoken() override { ++woken; }
  void OnAccepted(int descriptor, std::string peer_address) override {
    peer = std::move(peer_address);
    ++adopted;
    if (refuse) {
      close(descriptor);
      return;
    }
    newest = transport_->Adopt(descriptor);
    if (newest >= told.size()) told.resize(newest + 1);
    told[newest] = {};
  }
  void OnReceived(ConnectionId id, std::string_view bytes) override {
    EXPECT_FALSE(told[id].closed);
    EXPECT_FALSE(told[id].finished);
    told[id].received.append(bytes);
    ++told[id].pieces;
    if (echo) {
      EXPECT_EQ(transport_->Send(id, bytes), bytes.size());
    }
    if (on_received) on_received(id);
  }
  void OnPeerFinished(ConnectionId id) override {
    EXPECT_FALSE(std::exchange(told[id].finished, true));
    EXPECT_FALSE(told[id].closed);
  }
  void OnWritable(ConnectionId id) override {
    EXPECT_FALSE(told[id].closed);
    ++told[id].writable;
  }
  void OnBroken(ConnectionId id) override {
    EXPECT_FALSE(std::exchange(told[id].broken, true));
    EXPECT_FALSE(told[id].closed);
  }

  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Listener> listener_;
};

class EveryTransportTest : public OnEveryTransport {};
INSTANTIATE_TEST_SUITE_P(Transports, EveryTransportTest, EveryTransport(), TransportName);

TEST_P(EveryTransportTest, BringsWhatIsSentAndTakesTheAnswer) {
  Bench bench(GetParam().kind);
  bench.echo = true;
  std::vector<Client> clients;
  for (int i = 0; i < 300; ++i) clients.emplace_back(bench.port());
  ASSERT_TRUE(bench.Until([&] { return bench.adopted == clients.size(); }));
  EXPECT_EQ(bench.peer, "127.0.0.1");
  for (int round = 0; round < 20; ++round) {
    const std::string said = "said " + std::to_string(round);
    for (Client& client : clients) client.Send(said);
    ASSERT_TRUE(bench.Until([&] {
      return std::ranges::all_of(bench.told,
                                 [&](const auto& told) { return told.received.ends_with(said); });
    }));
    bench.Turn();  // whatever was gathered leaves
    for (Client& client : clients) {
      std::string heard;
      while (heard.size() < said.size()) {
        char buffer[64];
        const ssize_t size = recv(client.descriptor(), buffer, sizeof buffer, 0);
        ASSERT_GT(size, 0);
        heard.append(buffer, static_cast<size_t>(size));
      }
      EXPECT_EQ(heard, said);
    }
  }
}

TEST_P(EveryTransportTest, IsWokenByAnyThreadWhileItWaitsOrBefore) {
  Bench bench(GetParam().kind);
  bench->Wake();
  ASSERT_TRUE(bench.Until([&] { return bench.woken == 1; }));
  for (int i = 0; i < 200; ++i) {
    std::thread other([&] { bench->Wake(); });
    bench->Wait(Transport::kForever, bench);
    other.join();
  }
  const auto before = std::chrono::steady_clock::now();
  bench->Wait(0, bench);  // what woke it is used up, or this does not wait
  bench->Wait(20'000'000, bench);
  bench->Wait(20'000'000, bench);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(kPatienceMs));
}

// Answers of all sizes to a client that reads late: none is lost, cut or out of order, and what
// the transport takes meanwhile is bounded.
TEST_P(EveryTransportTest, KeepsTheOrderOfWhatASlowClientReads) {
  Bench bench(GetParam().kind);
  Client client(bench.port(), 4096);
  const ConnectionId id = bench.Accept();
  const std::string text = Numbers(24u << 20);
  const size_t sizes[] = {1, 300, 4'096, 4'097, 70'000, 17};
  std::atomic<size_t> sent{0};
  std::thread reader([&] {
    // Not before the transport has been refused: more than the kernel's buffers is on the way.
    while (sent < text.size() && !client.received().empty()) std::this_thread::yield();
    while (client.received().size() < text.size() && client.Receive()) {
    }
  });
  for (size_t i = 0; sent < text.size(); ++i) {
    const auto piece = std::string_view(text).substr(sent, sizes[i % std::size(sizes)]);
    bench.SendAll(id, piece);
    sent += piece.size();
    if (i % 3 == 0) bench->Wait(0, bench);
  }
  bench.Turn();
  std::atomic<bool> read{false};
  std::thread waiter([&] {
    reader.join();
    read = true;
  });
  EXPECT_TRUE(bench.Until([&] { return read.load(); }));
  waiter.join();
  EXPECT_TRUE(client.received() == text);
}

TEST_P(EveryTransportTest, TakesNoMoreThanTheKernelAndALittle) {
  Bench bench(GetParam().kind);
  Client client(bench.port(), 4096);
  const ConnectionId id = bench.Accept();
  const std::string answer(1'000, 'x');
  size_t taken = 0;
  size_t last = SIZE_MAX;
  while (last > 0) {
    last = bench->Send(id, answer);
    taken += last;
    bench->Wait(0, bench);
  }
  EXPECT_LT(taken, 32u << 20);
  EXPECT_EQ(bench->Send(id, answer), 0u);
  EXPECT_EQ(bench.told[id].writable, 0);
  while (client.received().size() < taken / 2) ASSERT_TRUE(client.Receive());
  EXPECT_TRUE(bench.Until([&] { return bench.told[id].writable > 0; }));
}

// The last answer is on its way when the connection is closed.
TEST_P(EveryTransportTest, ClosingDeliversWhatWasTaken) {
  Bench bench(GetParam().kind);
  for (const size_t fill : {size_t{0}, size_t{16u << 20}}) {
    Client client(bench.port(), 4096);
    const ConnectionId id = bench.Accept();
    const std::string text = Numbers(fill + 3'000);
    size_t taken = 0;
    for (size_t last = 1; last > 0 && taken < text.size();) {
      last = bench->Send(id, std::string_view(text).substr(taken, 1'000));
      taken += last;
      if (taken < text.size()) bench->Wait(0, bench);
    }
    bench.Close(id, false);
    std::atomic<bool> ended{false};
    std::thread reader([&] {
      while (client.Receive()) {
      }
      ended = true;
    });
    EXPECT_TRUE(bench.Until([&] { return ended.load(); }));
    reader.join();
    EXPECT_FALSE(client.reset());
    EXPECT_EQ(client.received().size(), taken);
    EXPECT_TRUE(client.received() == std::string_view(text).substr(0, taken));
  }
}

TEST_P(EveryTransportTest, AResetIsSeenAsOne) {
  Bench bench(GetParam().kind);
  Client client(bench.port());
  const ConnectionId id = bench.Accept();
  bench.Close(id, true);
  bench.Turn();
  EXPECT_FALSE(client.Receive());
  EXPECT_TRUE(client.reset());
}

TEST_P(EveryTransportTest, AHalfClosedConnectionStillTakesAnswers) {
  Bench bench(GetParam().kind);
  Client client(bench.port());
  const ConnectionId id = bench.Accept();
  client.Send("all");
  client.Finish();
  ASSERT_TRUE(bench.Until([&] { return bench.told[id].finished; }));
  EXPECT_EQ(bench.told[id].received, "all");
  bench.SendAll(id, "answer");
  bench->FinishSending(id);
  bench.Turn();
  EXPECT_TRUE(client.Receive());
  EXPECT_FALSE(client.Receive());
  EXPECT_FALSE(client.reset());
  EXPECT_EQ(client.received(), "answer");
}

TEST_P(EveryTransportTest, TellsOnceThatAConnectionIsLost) {
  Bench bench(GetParam().kind);
  Client client(bench.port());
  const ConnectionId id = bench.Accept();
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(client.descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  client.Close();
  ASSERT_TRUE(bench.Until([&] { return bench.told[id].broken; }));
  EXPECT_EQ(bench->Send(id, "nobody"), 0u);
  bench.Turn();
  bench.Close(id, false);
  Client next(bench.port());
  EXPECT_EQ(bench.Accept(), id);  // the name is free again
}

TEST_P(EveryTransportTest, PausedItBringsNothingAndThenEverything) {
  Bench bench(GetParam().kind);
  Client client(bench.port());
  const ConnectionId id = bench.Accept();
  const std::string text = Numbers(64u << 20);
  bench.on_received = [&](ConnectionId received) { bench->PauseReceiving(received); };
  size_t sent = 0;
  std::thread sender([&] {
    client.Send(text);
    client.Finish();
  });
  while (bench.told[id].pieces == 0) bench.Turn();
  for (int i = 0; i < 20; ++i) bench.Turn();
  EXPECT_EQ(bench.told[id].pieces, 1u);
  // Resumed and paused again, at once or after a while.
  while (bench.told[id].received.size() < text.size() / 4) {
    const size_t before = bench.told[id].pieces;
    bench->ResumeReceiving(id);
    if (++sent % 3 == 0) {
      bench->PauseReceiving(id);
      bench->ResumeReceiving(id);
    }
    ASSERT_TRUE(bench.Until([&] { return bench.told[id].pieces > before; }));
    EXPECT_EQ(bench.told[id].pieces, before + 1);
    EXPECT_FALSE(bench.told[id].finished);
  }
  bench.on_received = {};
  bench->ResumeReceiving(id);
  EXPECT_TRUE(bench.Until([&] { return bench.told[id].finished; }));
  sender.join();
  EXPECT_TRUE(bench.told[id].received == text);
}

// More arrives in a turn than the loop has buffers for.
TEST_P(EveryTransportTest, BurstsOfManyConnectionsArriveWhole) {
  Bench bench(GetParam().kind);
  constexpr size_t kClients = 40;
  std::vector<Client> clients;
  for (size_t i = 0; i < kClients; ++i) clients.emplace_back(bench.port());
  ASSERT_TRUE(bench.Until([&] { return bench.adopted == kClients; }));
  const std::string text = Numbers(1u << 20);
  std::vector<std::thread> senders;
  for (Client& client : clients) {
    senders.emplace_back([&] {
      client.Send(text);
      client.Finish();
    });
  }
  EXPECT_TRUE(bench.Until([&] {
    return std::ranges::all_of(bench.told, [](const auto& told) { return told.finished; });
  }));
  for (std::thread& sender : senders) sender.join();
  for (const auto& told : bench.told) EXPECT_TRUE(told.received == text);
}

// More is sent in a turn than the submission queue and the memory for gathered sends hold.
TEST_P(EveryTransportTest, BurstsOfAnswersArriveWhole) {
  Bench bench(GetParam().kind);
  std::vector<Client> clients;
  for (int i = 0; i < 1'500; ++i) clients.emplace_back(bench.port());
  ASSERT_TRUE(bench.Until([&] { return bench.adopted == clients.size(); }));
  const std::string answer = Numbers(400);
  for (ConnectionId id = 0; id < clients.size(); ++id) {
    EXPECT_EQ(bench->Send(id, answer), answer.size());
  }
  bench->Wait(0, bench);
  for (Client& client : clients) {
    while (client.received().size() < answer.size()) ASSERT_TRUE(client.Receive());
    EXPECT_EQ(client.received(), answer);
  }
}

TEST_P(EveryTransportTest, ConnectionsComeAndGoInAnyOrder) {
  Bench bench(GetParam().kind);
  bench.on_received = [&](ConnectionId id) {
    EXPECT_EQ(bench->Send(id, "bye"), 3u);
    bench->FinishSending(id);
  };
  for (int i = 0; i < 3'000; ++i) {
    Client client(bench.port());
    const ConnectionId id = bench.Accept();
    EXPECT_LT(id, 8u);  // names are used again
    switch (i % 4) {
      case 0:
        break;
      case 1:
        client.Send("hello");
        ASSERT_TRUE(bench.Until([&] { return !bench.told[id].received.empty(); }));
        break;
      case 2:
        client.Send("hello");
        client.Close();
        break;
      case 3:
        client.Finish();
        ASSERT_TRUE(bench.Until([&] { return bench.told[id].finished; }));
        break;
    }
    bench.Close(id, i % 3 == 0);
  }
}

TEST_P(EveryTransportTest, OnceItStopsAcceptingThePortIsFree) {
  Bench bench(GetParam().kind);
  Client before(bench.port());
  bench.Accept();
  const uint16_t port = bench.port();
  bench->StopAccepting();
  bench.listener().Close();
  EXPECT_FALSE(Client(port).connected());
  EXPECT_TRUE(Listener::Open("127.0.0.1", port).has_value());
}

// Nobody waits in the kernel for ever because the server has run out of descriptors, and the
// server does not spin.
TEST_P(EveryTransportTest, RefusesWhileThereIsNoDescriptorAndRecovers) {
  Bench bench(GetParam().kind);
  Client first(bench.port());
  const ConnectionId id = bench.Accept();
  Client waiting(bench.port());  // already has its descriptor at this end
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(waiting.descriptor()) + 1,
                    .rlim_max = limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  EXPECT_TRUE(bench.Until([&] {
    char byte;
    return bench.adopted > 1 || recv(waiting.descriptor(), &byte, 1, MSG_DONTWAIT) == 0;
  }));
  setrlimit(RLIMIT_NOFILE, &limit);
  Client next(bench.port());
  bench.Accept();
  next.Send("hello");
  EXPECT_TRUE(bench.Until([&] { return bench.told[bench.newest].received == "hello"; }));
  first.Send("still here");
  EXPECT_TRUE(bench.Until([&] { return bench.told[id].received == "still here"; }));
}

}  // namespace
}  // namespace weir::net

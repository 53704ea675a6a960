// TLS handshakes in number, on a loop whose sockets and time are the test's.
#include "net/server/tls_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>

#include <memory>
#include <string>
#include <vector>

#include "net/server/server_test_support.h"

namespace weir::net {
namespace {

using ::testing::HasSubstr;

constexpr int kFirstByteMs = 10'000;
constexpr int64_t kTurnMs = HandshakeSlots::kTurnNs / 1'000'000;

// A client of the harness, which goes on when it is told to.
class Peer {
 public:
  explicit Peer(LoopHarness& harness) : harness_(harness), id_(harness.Connect()) {
    static SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    ssl_ = SSL_new(context);
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_connect(ssl_);
    hello_ = Leaving();
  }
  ~Peer() { SSL_free(ssl_); }
  Peer(const Peer&) = delete;

  void SayHello(size_t bytes = SIZE_MAX) { harness_.Receive(id_, hello_.substr(0, bytes)); }
  // Reads what the server has sent, and goes on with the handshake. False: it is not over.
  bool GoOn() {
    const bool over = Continue();
    harness_.Turn();
    return over;
  }
  // As above, for turns of the loop that are the test's.
  void Begin() { harness_.transport().Deliver(id_, hello_); }
  bool Continue() {
    const std::string heard = harness_.Sent(id_);
    BIO_write(SSL_get_rbio(ssl_), heard.data(), static_cast<int>(heard.size()));
    const bool over = SSL_connect(ssl_) == 1;
    if (const std::string leaving = Leaving(); !leaving.empty()) {
      harness_.transport().Deliver(id_, leaving);
    }
    return over;
  }
  bool answered() { return !harness_.transport().at(id_).sent.empty(); }
  std::string Ask(std::string_view request) {
    SSL_write(ssl_, request.data(), static_cast<int>(request.size()));
    harness_.Receive(id_, Leaving());
    GoOn();
    char answer[4096];
    const int size = SSL_read(ssl_, answer, sizeof answer);
    return {answer, static_cast<size_t>(std::max(size, 0))};
  }
  bool cut_off() { return harness_.closed(id_); }

 private:
  std::string Leaving() {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(ssl_), &bytes);
    std::string leaving(bytes, static_cast<size_t>(size));
    BIO_reset(SSL_get_wbio(ssl_));
    return leaving;
  }

  LoopHarness& harness_;
  const ConnectionId id_;
  SSL* ssl_;
  std::string hello_;
};

class TlsHandshakes : public ::testing::Test {
 protected:
  static std::shared_ptr<TlsContext> TwoAtOnce() {
    static const CertificateFiles files;
    return LoadTls(files, {.handshakes_max = 2});
  }
  // Greets, and then says nothing more.
  Peer& Stall() {
    peers_.push_back(std::make_unique<Peer>(harness_));
    peers_.back()->SayHello();
    return *peers_.back();
  }
  void ExpectServed(Peer& peer) {
    EXPECT_TRUE(peer.GoOn());
    EXPECT_THAT(peer.Ask(Get("/")), HasSubstr("GET /? "));
  }

  const std::shared_ptr<TlsContext> context_ = TwoAtOnce();
  LoopHarness harness_{{.first_byte_timeout_ms = kFirstByteMs}, {}, context_};
  std::vector<std::unique_ptr<Peer>> peers_;
};

TEST_F(TlsHandshakes, OneThatNobodyWaitsForMayBeSlow) {
  Peer& first = Stall();
  Peer& second = Stall();
  harness_.PassMs(kFirstByteMs - 100);
  ExpectServed(first);
  harness_.PassMs(200);
  EXPECT_TRUE(second.cut_off());
  EXPECT_EQ(context_->stats().stalled, 1u);
}

TEST_F(TlsHandshakes, WhoHasNotGreetedTakesNoSlot) {
  std::vector<std::unique_ptr<Peer>> mute;
  for (const size_t bytes : {1, 4, 5, 100, 200, 200, 200}) {
    mute.push_back(std::make_unique<Peer>(harness_));
    mute.back()->SayHello(bytes);
  }
  Peer late(harness_);
  late.SayHello();
  ExpectServed(late);
  harness_.PassMs(kFirstByteMs + 100);
  for (const auto& peer : mute) EXPECT_TRUE(peer->cut_off());
  EXPECT_FALSE(late.cut_off());
}

// Ten times as many as there are slots, all of whom stall, and two more each second.
TEST_F(TlsHandshakes, AFloodThatLastsDelaysOthersAndKeepsNobodyOut) {
  for (int i = 0; i < 20; ++i) Stall();
  Peer patient(harness_);
  patient.SayHello();
  int64_t waited_ms = 0;
  while (!patient.GoOn() && waited_ms < 60'000) {
    ASSERT_FALSE(patient.cut_off()) << "after " << waited_ms;
    Stall();
    harness_.PassMs(500);
    waited_ms += 500;
  }
  ExpectServed(patient);
  EXPECT_GT(waited_ms, kFirstByteMs);
  EXPECT_LE(waited_ms, 11 * kTurnMs);  // 22 before it and with it, two at a time
  // What is left of the flood ends by itself; and then it is as before.
  harness_.PassMs(60 * kTurnMs);
  for (int i = 0; i < 60; ++i) harness_.PassMs(kTurnMs);
  for (const auto& peer : peers_) EXPECT_TRUE(peer->cut_off());
  EXPECT_EQ(context_->stats().stalled, peers_.size());
  Peer next(harness_);
  next.SayHello();
  ExpectServed(next);
}

TEST_F(TlsHandshakes, WhoWaitedStillHasTheirWholeTime) {
  Stall();
  Stall();
  Peer& slow = Stall();
  harness_.PassMs(kTurnMs);
  harness_.PassMs(kFirstByteMs - 100);
  EXPECT_FALSE(slow.cut_off());
  ExpectServed(slow);
}

// Those whose slots become free do so while the loop is at something else than its sockets.
TEST_F(TlsHandshakes, WhoWaitsIsNotKeptByASleepWhenASlotIsFree) {
  Peer first(harness_), second(harness_);
  harness_.PassMs(kFirstByteMs - 1'000);
  first.SayHello();
  second.SayHello();
  Peer& waiting = Stall();
  harness_.PassMs(1'100);
  EXPECT_TRUE(first.cut_off());
  EXPECT_FALSE(waiting.answered());
  harness_.loop().Turn(Transport::kForever);
  EXPECT_EQ(harness_.transport().last_timeout_ns(), 0);
  EXPECT_TRUE(waiting.answered());
}

// More than the server carries on in one turn, and its turns are long.
TEST(TlsHandshakesOfASlowServer, WhoIsPutOffByTheServerHasNotStalled) {
  const CertificateFiles files;
  constexpr unsigned kSlots = 4 * TlsTransport::kHandshakesPerTurn;
  const auto context = LoadTls(files, {.handshakes_max = kSlots});
  LoopHarness harness({.first_byte_timeout_ms = kFirstByteMs}, {}, context);
  std::vector<std::unique_ptr<Peer>> peers;
  while (peers.size() < 2 * kSlots) peers.push_back(std::make_unique<Peer>(harness));
  for (const auto& peer : peers) peer->Begin();
  size_t served = 0;
  for (int turns = 0; turns < 40 && served < peers.size(); ++turns) {
    harness.clock().AdvanceMs(kTurnMs / 3);
    harness.loop().Turn(0);
    served = 0;
    for (const auto& peer : peers) served += peer->Continue();
  }
  EXPECT_EQ(served, peers.size());
  EXPECT_EQ(context->stats().stalled, 0u);
}

TEST(TlsHandshakesOfASlowServer, WhoWasPutOffGoesBeforeThoseOfWhomMoreComes) {
  const CertificateFiles files;
  LoopHarness harness({}, {}, LoadTls(files, {}));
  std::vector<std::unique_ptr<Peer>> peers;
  while (peers.size() <= TlsTransport::kHandshakesPerTurn) {
    peers.push_back(std::make_unique<Peer>(harness));
  }
  for (const auto& peer : peers) peer->Begin();
  harness.loop().Turn(0);
  Peer& last = *peers.back();
  EXPECT_FALSE(last.answered());
  for (const auto& peer : peers) peer->Continue();
  harness.loop().Turn(0);
  EXPECT_TRUE(last.answered());
}

TEST_F(TlsHandshakes, WhoLeavesWhileWaitingIsForgotten) {
  Stall();
  Stall();
  Stall();
  harness_.transport().at(2).broken = true;
  harness_.Turn();
  EXPECT_TRUE(peers_[2]->cut_off());
  Peer next(harness_);
  next.SayHello();
  harness_.PassMs(kTurnMs);
  ExpectServed(next);
}

}  // namespace
}  // namespace weir::net

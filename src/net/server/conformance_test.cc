// What every transport beneath the server must do, on real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "net/server/gzip_test_support.h"
#include "net/server/server_test_support.h"

namespace weir::net {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// Each test on each transport that Server::Start may be given.
class Conformance : public OnEveryTransport {};
INSTANTIATE_TEST_SUITE_P(Transports, Conformance, EveryTransportAndTls(), TransportName);

TEST_P(Conformance, AnswersAndKeepsTheConnection) {
  const auto server = Start({.server_name = "weir"});
  Client client(server->port());
  for (int i = 0; i < 3; ++i) {
    const Answer answer = client.Ask(Post("/submit?a=b", "body"));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "POST /submit?a=b body");
    EXPECT_EQ(answer.headers.at("Content-Type"), "text/plain");
    EXPECT_EQ(answer.headers.at("Server"), "weir");
    EXPECT_THAT(answer.headers.at("Date"),
                MatchesRegex("[A-Z][a-z]+, [0-9]+ [A-Z][a-z]+ [0-9]+ [0-9]+:[0-9]+:[0-9]+ GMT"));
    EXPECT_FALSE(answer.headers.contains("Connection"));
  }
}

TEST_P(Conformance, ClosesWhenAskedToAndSpeaksHttp10) {
  const auto server = Start();
  Client closes(server->port());
  EXPECT_EQ(
      closes.Ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").headers.at("Connection"),
      "close");
  EXPECT_TRUE(closes.AtEnd());
  Client old(server->port());
  EXPECT_EQ(old.Ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").headers.at("Connection"),
            "keep-alive");
  EXPECT_EQ(old.Ask("GET / HTTP/1.0\r\n\r\n").body, "GET /? ");
  EXPECT_TRUE(old.AtEnd());
}

TEST_P(Conformance, HeadIsAnsweredLikeGetWithoutABody) {
  const auto server = Start();
  Client client(server->port());
  client.Send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
  const Answer head = client.Read(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("Content-Length"), "9");
  EXPECT_EQ(client.Ask(Get("/y")).body, "GET /y? ");
}

TEST_P(Conformance, AnswersOptionsAndAbsoluteTargets) {
  const auto server = Start();
  Client client(server->port());
  EXPECT_EQ(client.Ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").body, "OPTIONS *? ");
  EXPECT_EQ(client.Ask("GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n").body, "GET /b?c ");
}

TEST_P(Conformance, ReadsBodiesInEveryFramingAndCoding) {
  const auto server = Start();
  Client client(server->port());
  const std::string text = Text(100'000);
  EXPECT_EQ(client.Ask(Post("/", text)).body, "POST /? " + text);
  EXPECT_EQ(client
                .Ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "5;e=1\r\nhello\r\n1\r\n!\r\n0\r\nT: t\r\n\r\n")
                .body,
            "POST /? hello!");
  EXPECT_EQ(client.Ask(Post("/", Gzip(text), "Content-Encoding: gzip\r\n")).body,
            "POST /? " + text);
  EXPECT_EQ(client.Ask(Post("/", Deflate(text), "Content-Encoding: deflate\r\n")).body,
            "POST /? " + text);
  EXPECT_EQ(client.Ask(Post("/", "plain", "Content-Encoding: identity\r\n")).body, "POST /? plain");
}

TEST_P(Conformance, APostThatNamesNoLengthHasNoBody) {
  const auto server = Start();
  Client client(server->port());
  client.Send("POST /order HTTP/1.1\r\nHost: a\r\n\r\n" + Get("/after"));
  EXPECT_EQ(client.Read().body, "POST /order? ");
  EXPECT_EQ(client.Read().body, "GET /after? ");
}

TEST_P(Conformance, RefusesWithAProblemAndCloses) {
  const auto server = Start({.limits = {.body_bytes_max = 1'000}});
  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const struct {
    int status;
    std::string request;
  } cases[] = {
      {400, "nonsense\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\n\r\n"},
      {400,
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {400, chunked + "xyz\r\n"},
      {400, chunked + "3\r\nabcXY\r\n"},
      {400, chunked + std::string(20'000, '1')},
      {400, Post("/", "not gzip", "Content-Encoding: gzip\r\n")},
      {400, Post("/", Gzip("cut short").substr(0, 15), "Content-Encoding: gzip\r\n")},
      {413, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"},
      {413, Post("/", std::string(500'000, 'x'))},
      {413, chunked + "3e9\r\n" + std::string(1'001, 'x') + "\r\n0\r\n\r\n"},
      {413, Post("/", Gzip(std::string(100'000, 'x')), "Content-Encoding: gzip\r\n")},
      {415, Post("/", "x", "Content-Encoding: br\r\n")},
      {415, Post("/", "x", "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n")},
      {417, Post("/", "x", "Expect: something\r\n")},
      {431, "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(17'000, 'x') + "\r\n\r\n"},
      {431, "GET /" + std::string(200'000, 'x')},
      {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
      {505, "GET / HTTP/3.0\r\nHost: a\r\n\r\n"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.request.substr(0, 100));
    Client client(server->port());
    // What was asked before is still answered.
    client.Send(Get("/before") + c.request);
    EXPECT_EQ(client.Read().body, "GET /before? ");
    Answer answer = client.Read();
    EXPECT_EQ(answer.status, c.status);
    EXPECT_EQ(answer.headers["Content-Type"], "application/problem+json");
    EXPECT_EQ(answer.headers["Connection"], "close");
    EXPECT_EQ(answer.headers.contains("Accept-Encoding"), c.status == 415);
    EXPECT_THAT(answer.body, StartsWith("{\"status\":" + std::to_string(c.status)));
    EXPECT_TRUE(client.AtEnd());
    EXPECT_FALSE(client.reset());
  }
}

TEST_P(Conformance, MeetsTheExpectationToContinue) {
  const auto server = Start({}, [](FunctionHandler& handler, Loop&) {
    handler.on_headers = [](Loop& loop, const Request& request) -> Handler::Decision {
      if (request.path != "/refused") return {};
      loop.Respond(request.ticket, {.status = 401});
      return {Handler::Take::kRefused};
    };
  });
  const auto head = [](std::string_view path) {
    return "POST " + std::string(path) +
           " HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
  };
  Client client(server->port());
  EXPECT_EQ(client.Ask(head("/")).status, 100);
  EXPECT_EQ(client.Ask("body").body, "POST /? body");
  // One who does not wait is not told to go on.
  EXPECT_EQ(client.Ask(head("/") + "body").body, "POST /? body");
  EXPECT_EQ(client.Ask(head("/refused")).status, 401);
  EXPECT_TRUE(client.AtEnd());
}

TEST_P(Conformance, ARefusedBodyIsReadPastAndTheConnectionGoesOn) {
  const auto server = Start({}, [](FunctionHandler& handler, Loop&) {
    handler.on_headers = [](Loop& loop, const Request& request) -> Handler::Decision {
      if (request.method == Method::kGet) return {};
      loop.Respond(request.ticket, {.status = 403});
      return {Handler::Take::kRefused};
    };
  });
  Client client(server->port());
  client.Send(Post("/", std::string(300'000, 'x')));
  EXPECT_EQ(client.Read().status, 403);
  EXPECT_EQ(client.Ask(Get("/next")).body, "GET /next? ");
  Client large(server->port());
  large.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
  const Answer answer = large.Read();
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.headers.at("Connection"), "close");
}

TEST_P(Conformance, PipelinedRequestsAreAnsweredInOrder) {
  std::vector<Ticket> tickets;
  const auto server = Start({}, [&](FunctionHandler& handler, Loop&) {
    handler.on_request = [&](Loop&, const Request& request) { tickets.push_back(request.ticket); };
    handler.on_turn_end = [&](Loop& loop) {
      for (auto ticket = tickets.rbegin(); ticket != tickets.rend(); ++ticket) {
        loop.Respond(*ticket, {.body = std::to_string(*ticket)});
      }
      tickets.clear();
    };
  });
  Client client(server->port());
  std::string requests;
  for (int i = 0; i < 1'000; ++i) requests += Post("/", "body");
  client.Send(requests);
  uint64_t last = 0;
  for (int i = 0; i < 1'000; ++i) {
    const Answer answer = client.Read();
    ASSERT_EQ(answer.status, 200);
    EXPECT_GT(std::stoull(answer.body), last);
    last = std::stoull(answer.body);
  }
}

TEST_P(Conformance, LargeBodiesGoBothWays) {
  const auto server = Start({.limits = {.body_bytes_max = 8u << 20}});
  const std::string text = Text(5u << 20);
  Client client(server->port());
  ASSERT_TRUE(client.Send(Post("/", text)));  // it is answered when it is whole
  const Answer answer = client.Read();
  EXPECT_TRUE(answer.body == "POST /? " + text) << answer.status << ", " << answer.body.size();
}

TEST_P(Conformance, AStreamWaitsForItsReaderInBoundedMemory) {
  std::atomic<size_t> written{0};
  Awaited<int> closed;
  const std::string text = Text(1u << 20);
  constexpr size_t kTotal = 64u << 20;
  const auto server = Start({}, [&](FunctionHandler& handler, Loop&) {
    handler.on_request = [&](Loop& loop, const Request& request) {
      BodyWriter* writer = loop.RespondStreaming(request.ticket, {.content_type = "text/csv"});
      const auto write = [&, writer] {
        bool more = true;
        while (more && written < kTotal) {
          const size_t at = written % text.size();
          more = writer->Write(std::string_view(text).substr(at, 8'192));
          written += 8'192;
        }
        if (written >= kTotal) writer->End();
      };
      writer->OnDrained(write);
      writer->OnClosed([&](bool complete) { closed.Set(complete ? 1 : 2); });
      write();
    };
  });
  Client client(server->port(), 8'192);
  client.Send(Get("/"));
  while (client.received().size() < 100'000) ASSERT_TRUE(client.Receive());
  EXPECT_LT(written, 16u << 20);  // the kernel's buffers and ours
  const Answer answer = client.Read();
  EXPECT_FALSE(answer.broken);
  ASSERT_EQ(answer.body.size(), kTotal);
  for (size_t at = 0; at < kTotal; at += text.size()) {
    ASSERT_EQ(answer.body.compare(at, text.size(), text), 0);
  }
  EXPECT_TRUE(closed.WaitFor([](int value) { return value == 1; }));

  written = 0;
  Client leaves(server->port(), 8'192);
  leaves.Send(Get("/"));
  ASSERT_TRUE(leaves.Receive());
  leaves.Close();
  EXPECT_TRUE(closed.WaitFor([](int value) { return value == 2; }));
}

TEST_P(Conformance, ABodyInPiecesWaitsForItsReader) {
  struct Reader final : BodyReader {
    Loop* loop = nullptr;
    Ticket ticket = 0;
    std::atomic<size_t> taken{0};
    Awaited<bool> go;
    bool OnBody(std::string_view bytes) override {
      taken += bytes.size();
      if (!go.Get()) return false;
      loop->Post([this] { loop->ResumeBody(ticket); });
      return false;
    }
    void OnEnd() override { loop->Respond(ticket, {.body = std::to_string(taken)}); }
    void OnAbort() override {}
  } reader;
  const auto server = Start({}, [&](FunctionHandler& handler, Loop& loop) {
    reader.loop = &loop;
    handler.on_headers = [&](Loop&, const Request& request) -> Handler::Decision {
      reader.ticket = request.ticket;
      return {Handler::Take::kInPieces, &reader};
    };
  });
  constexpr size_t kTotal = 64u << 20;
  const std::string piece(64u << 10, 'x');
  Client client(server->port());
  client.Send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kTotal) +
              "\r\n\r\n");
  size_t sent = client.SendUntilStuck(piece, kTotal, 200);
  EXPECT_LT(sent, kTotal / 2);
  EXPECT_LE(reader.taken, 64u << 10);
  reader.go.Set(true);
  server->loop(0).Post([&] { reader.loop->ResumeBody(reader.ticket); });
  for (; sent < kTotal; sent += piece.size()) {
    client.Send(std::string_view(piece).substr(0, kTotal - sent));
  }
  EXPECT_EQ(client.Read().body, std::to_string(kTotal));
}

TEST_P(Conformance, ConnectionsAreSpreadEvenlyOverTheLoops) {
  Awaited<std::vector<int>> counts;
  counts.Set(std::vector<int>(4));
  const auto server = Start({.loops = 4}, [&](FunctionHandler& handler, Loop&) {
    handler.on_request = [&](Loop& loop, const Request& request) {
      counts.Update([&](std::vector<int>& value) { ++value[loop.index()]; });
      loop.Respond(request.ticket, {});
    };
  });
  std::vector<Client> clients;
  for (int i = 0; i < 64; ++i) {
    clients.emplace_back(server->port());
    EXPECT_EQ(clients.back().Ask(Get("/")).status, 200);
  }
  EXPECT_THAT(counts.Get(), ::testing::Each(16));
}

TEST_P(Conformance, LoopsRunWhatIsPostedAndWhatIsDue) {
  const auto server = Start({.loops = 2});
  Awaited<std::vector<std::string>> order;
  const auto note = [&](std::string what) {
    order.Update([&](auto& value) { value.push_back(std::move(what)); });
  };
  Loop& loop = server->loop(1);
  EXPECT_EQ(loop.index(), 1u);
  EXPECT_TRUE(loop.Post([&] {
    loop.After(60, [&] { note("later"); });
    loop.After(20, [&] { note("sooner"); });
    note("posted");
  }));
  EXPECT_TRUE(order.WaitFor([](const auto& value) { return value.size() == 3; }));
  EXPECT_THAT(order.Get(), ::testing::ElementsAre("posted", "sooner", "later"));

  std::atomic<int> sum{0};
  Awaited<int> done;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) {
        EXPECT_TRUE(loop.Post([&] {
          if (++sum == 20'000) done.Set(1);
        }));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(done.WaitFor([](int value) { return value == 1; }));
}

TEST_P(Conformance, ThreadsHaveNames) {
  const auto server = Start({.loops = 2});
  const auto names = [] {
    std::vector<std::string> found;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream file(task.path() / "comm");
      std::string name;
      std::getline(file, name);
      found.push_back(name);
    }
    return found;
  };
  for (unsigned i = 0; i < 2; ++i) {  // each has begun its turns, and so named itself
    Awaited<bool> ran;
    server->loop(i).Post([&] { ran.Set(true); });
    EXPECT_TRUE(ran.WaitFor([](bool value) { return value; }));
  }
  EXPECT_THAT(names(), ::testing::IsSupersetOf({"weir-loop-0", "weir-loop-1"}));
}

TEST_P(Conformance, CountsWhatItDoes) {
  const auto server = Start({.loops = 2});
  Client a(server->port()), b(server->port());
  a.Ask(Get("/"));
  b.Ask(Get("/"));
  b.Ask("nonsense\r\n\r\n");
  EXPECT_TRUE(b.AtEnd());
  ServerStats stats = server->stats();
  EXPECT_EQ(stats.accepted, 2u);
  EXPECT_EQ(stats.requests, 2u);
  EXPECT_EQ(stats.responses_by_class[2], 2u);
  EXPECT_EQ(stats.responses_by_class[4], 1u);
  EXPECT_EQ(stats.bytes_in, 2 * Get("/").size() + std::string("nonsense\r\n\r\n").size());
  EXPECT_GT(stats.bytes_out, 300u);
  a.Close();
  b.Close();
  while (server->stats().connections > 0) std::this_thread::yield();
}

}  // namespace
}  // namespace weir::net

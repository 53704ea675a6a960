// Bodies in pieces, both ways: order, backpressure, and who is told what when it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "net/server/gzip_test_support.h"
#include "net/server/server_test_support.h"

namespace weir::net {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Unchunk(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const size_t line = bytes.find("\r\n");
    const size_t size = std::stoul(std::string(bytes.substr(0, line)), nullptr, 16);
    if (size == 0) return out;
    out.append(bytes.substr(line + 2, size));
    bytes.remove_prefix(line + 2 + size + 2);
  }
  return out + "<no end>";
}

std::string BodyOf(std::string_view answer) {
  return Unchunk(answer.substr(answer.find("\r\n\r\n") + 4));
}

// Starts an answer to every request and leaves the writing to the test.
struct Writers {
  std::vector<BodyWriter*> writers;
  std::vector<std::optional<bool>> closed;
  int drained = 0;
  Configure configure = [this](FunctionHandler& handler, Loop&) {
    handler.on_request = [this](Loop& loop, const Request& request) {
      BodyWriter* writer =
          loop.RespondStreaming(request.ticket, {.content_type = std::string(request.query)});
      const size_t index = writers.size();
      writers.push_back(writer);
      closed.emplace_back();
      writer->OnDrained([this] { ++drained; });
      writer->OnClosed([this, index](bool complete) { closed[index] = complete; });
    };
  };
};

TEST(StreamedAnswer, IsSentInChunksAsItIsWritten) {
  Writers w;
  LoopHarness harness({}, w.configure);
  const ConnectionId id = harness.Connect();
  harness.Receive(id, Get("/?text/csv"));
  std::string head = harness.Sent(id);
  EXPECT_THAT(head, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Type: text/csv\r\n"));
  EXPECT_THAT(head, EndsWith("\r\n\r\n"));
  EXPECT_TRUE(w.writers[0]->Write("hello"));
  EXPECT_TRUE(w.writers[0]->Write(""));
  harness.Turn();
  EXPECT_EQ(harness.Sent(id), "5\r\nhello\r\n");
  w.writers[0]->Write(std::string(300, 'x'));
  w.writers[0]->End();
  EXPECT_EQ(w.closed[0], std::nullopt);
  harness.Turn();
  EXPECT_EQ(harness.Sent(id), "12c\r\n" + std::string(300, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(w.closed[0], true);
  harness.Receive(id, Get("/"));
  EXPECT_EQ(w.writers.size(), 2u);  // the connection goes on
}

TEST(StreamedAnswer, LastsUntilTheEndOfTheConnectionForHttp10) {
  Writers w;
  LoopHarness harness({}, w.configure);
  const ConnectionId id = harness.Connect();
  harness.Receive(id, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  w.writers[0]->Write("all");
  w.writers[0]->End();
  harness.Turn();
  const std::string sent = harness.Sent(id);
  EXPECT_THAT(sent, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(sent, EndsWith("\r\n\r\nall"));
  EXPECT_TRUE(harness.transport().at(id).finished);
  EXPECT_EQ(w.closed[0], true);
}

TEST(StreamedAnswer, ToHeadIsItsHeaderAlone) {
  Writers w;
  LoopHarness harness({}, w.configure);
  const ConnectionId id = harness.Connect();
  harness.Receive(id, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(w.writers[0]->Write("not sent"));
  w.writers[0]->End();
  harness.Turn();
  EXPECT_THAT(harness.Sent(id), EndsWith("\r\n\r\n"));
  EXPECT_EQ(w.closed[0], true);
}

TEST(StreamedAnswer, WaitsBehindEarlierAnswersInBoundedMemory) {
  Writers w;
  Ticket first = 0;
  LoopHarness harness({.send_buffer_bytes_max = 1'000}, [&](FunctionHandler& handler, Loop& loop) {
    w.configure(handler, loop);
    handler.on_request = [&, stream = handler.on_request](Loop& l, const Request& request) {
      if (first != 0) return stream(l, request);
      first = request.ticket;
    };
  });
  const ConnectionId id = harness.Connect();
  harness.Receive(id, Get("/") + Get("/"));
  std::string written;
  while (w.writers[0]->Write("0123456789")) written += "0123456789";
  written += "0123456789";
  EXPECT_LT(written.size(), 1'100u);
  harness.Turn();
  EXPECT_EQ(harness.Sent(id), "");
  EXPECT_EQ(w.drained, 0);
  harness.loop().Respond(first, {.body = "first"});
  harness.Turn();
  EXPECT_EQ(w.drained, 1);
  w.writers[0]->End();
  harness.Turn();
  const std::string sent = harness.Sent(id);
  const size_t second = sent.find("HTTP/1.1", 1);
  EXPECT_THAT(sent.substr(0, second), EndsWith("first"));
  EXPECT_EQ(BodyOf(sent.substr(second)), written);
}

// A table is exported to a client that reads slowly: memory stays at the bound, all of it arrives.
TEST(StreamedAnswer, IsHeldBackByASlowReader) {
  Writers w;
  LoopHarness harness({.send_buffer_bytes_max = 64u << 10}, w.configure);
  const ConnectionId id = harness.Connect();
  harness.transport().at(id).room = 0;
  harness.Receive(id, Get("/"));
  const std::string text = Text(10u << 20);
  size_t at = 0;
  size_t waiting_max = 0;
  std::string sent;
  const auto write = [&] {
    bool more = true;
    while (more && at < text.size()) {
      more = w.writers[0]->Write(std::string_view(text).substr(at, 5'000));
      at += 5'000;
    }
    if (at >= text.size()) w.writers[0]->End();
  };
  w.writers[0]->OnDrained(write);
  write();
  while (!w.closed[0] && !harness.closed(id)) {
    harness.transport().MakeRoom(id, 10'000);
    harness.Turn();
    sent += harness.Sent(id);
    if (at < text.size()) waiting_max = std::max(waiting_max, at - std::min(at, sent.size()));
  }
  EXPECT_EQ(w.closed[0], true);
  EXPECT_EQ(BodyOf(sent), text);
  EXPECT_LT(waiting_max, 80'000u);
}

TEST(StreamedAnswer, AbortLeavesTheClientWithABrokenAnswer) {
  Writers w;
  LoopHarness harness({}, w.configure);
  const ConnectionId chunked = harness.Connect();
  harness.Receive(chunked, Get("/"));
  w.writers[0]->Write("half");
  w.writers[0]->Abort();
  EXPECT_FALSE(w.writers[0]->Write("more"));
  harness.Turn();
  EXPECT_THAT(BodyOf(harness.Sent(chunked)), "half<no end>");
  EXPECT_TRUE(harness.closed(chunked));
  EXPECT_EQ(w.closed[0], false);

  const ConnectionId plain = harness.Connect();
  harness.Receive(plain, "GET / HTTP/1.0\r\n\r\n");
  w.writers[1]->Write("half");
  w.writers[1]->Abort();
  harness.Turn();
  EXPECT_TRUE(harness.transport().at(plain).reset);
  EXPECT_EQ(w.closed[1], false);

  // One whose turn has not come must not cut off those before it.
  const ConnectionId behind = harness.Connect();
  harness.Receive(behind, Get("/") + Get("/"));
  w.writers[3]->Abort();
  harness.Turn();
  EXPECT_FALSE(harness.closed(behind));
  w.writers[2]->Write("complete");
  w.writers[2]->End();
  harness.Turn();
  EXPECT_THAT(harness.Sent(behind), HasSubstr("complete\r\n0\r\n\r\n"));
  EXPECT_TRUE(harness.closed(behind));
  EXPECT_EQ(w.closed[2], true);
  EXPECT_EQ(w.closed[3], false);
}

TEST(StreamedAnswer, TheWriterHearsThatTheClientWentAway) {
  Writers w;
  LoopHarness harness({}, w.configure);
  const ConnectionId id = harness.Connect();
  harness.Receive(id, Get("/") + Get("/"));
  harness.transport().at(id).broken = true;
  harness.Turn();
  EXPECT_EQ(w.closed[0], false);
  EXPECT_EQ(w.closed[1], false);
}

// Callbacks may do anything, also replace or end what called them.
TEST(StreamedAnswer, CallbacksMayReplaceThemselvesAndEndTheAnswer) {
  Writers w;
  LoopHarness harness({.send_buffer_bytes_max = 100}, w.configure);
  const ConnectionId id = harness.Connect();
  harness.transport().at(id).room = 0;
  harness.Receive(id, Get("/"));
  BodyWriter* writer = w.writers[0];
  auto shared = std::make_shared<int>(0);
  writer->OnDrained([writer, shared] {
    writer->OnDrained({});
    writer->OnClosed([shared](bool complete) { *shared += complete ? 10 : 100; });
    writer->End();
    *shared += 1;
  });
  EXPECT_FALSE(writer->Write(std::string(1'000, 'x')));
  harness.transport().MakeRoom(id, testing::ScriptedTransport::kUnlimited);
  harness.Turn();
  EXPECT_EQ(*shared, 11);
  EXPECT_EQ(w.closed[0], std::nullopt);
}

// Takes a body in pieces; pauses after each when told to.
struct Pieces final : BodyReader {
  std::string body;
  size_t pieces = 0;
  size_t largest = 0;
  bool pausing = false;
  bool ended = false;
  bool aborted = false;
  Ticket ticket = 0;
  Configure configure = [this](FunctionHandler& handler, Loop&) {
    handler.on_headers = [this](Loop&, const Request& request) -> Handler::Decision {
      if (!request.has_body) return {};
      ticket = request.ticket;
      return {Handler::Take::kInPieces, this};
    };
  };
  bool OnBody(std::string_view bytes) override {
    EXPECT_FALSE(bytes.empty());
    body.append(bytes);
    ++pieces;
    largest = std::max(largest, bytes.size());
    return !pausing;
  }
  void OnEnd() override { ended = true; }
  void OnAbort() override { aborted = true; }
};

std::string Chunked(std::string_view body, size_t chunk) {
  std::string out;
  for (size_t at = 0; at < body.size(); at += chunk) {
    const std::string_view piece = body.substr(at, chunk);
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
    out.append(size).append(piece).append("\r\n");
  }
  return out + "0\r\n\r\n";
}

TEST(BodyReader, TakesEveryFramingAndCodingWithAndWithoutPauses) {
  const std::string text = Text(200'000);
  const std::string zipped = Gzip(text);
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::string gzip = "Content-Encoding: gzip\r\n";
  const std::vector<std::string> requests{
      Post("/", text),
      head + chunked + "\r\n" + Chunked(text, 7'000),
      Post("/", zipped, gzip),
      head + chunked + gzip + "\r\n" + Chunked(zipped, 1'000),
      Post("/", Deflate(text), "Content-Encoding: deflate\r\n"),
  };
  for (const std::string& request : requests) {
    for (const size_t cut : {size_t{1}, size_t{1'000}, size_t{65'536}, request.size()}) {
      if (cut == 1 && request.size() > 150'000) continue;
      for (const bool pausing : {false, true}) {
        SCOPED_TRACE(request.substr(0, 90) + std::to_string(cut) + (pausing ? " pausing" : ""));
        Pieces reader;
        reader.pausing = pausing;
        LoopHarness harness({}, reader.configure);
        const ConnectionId id = harness.Connect();
        for (size_t at = 0; at < request.size(); at += cut) {
          harness.transport().Deliver(id, std::string_view(request).substr(at, cut));
        }
        harness.transport().Deliver(id, Get("/next"));
        harness.Turn();
        if (pausing) {
          EXPECT_EQ(reader.pieces, 1u);
          while (!reader.ended && reader.pieces < 1'000'000) {
            const size_t before = reader.pieces;
            harness.loop().ResumeBody(reader.ticket);
            harness.Turn();
            EXPECT_LE(reader.pieces, before + 1);
            if (reader.pieces == before && !reader.ended) break;
          }
        }
        EXPECT_TRUE(reader.ended);
        EXPECT_FALSE(reader.aborted);
        EXPECT_TRUE(reader.body == text);
        harness.loop().Respond(reader.ticket, {.body = "done"});
        harness.Turn();
        EXPECT_THAT(harness.Sent(id), HasSubstr("GET /next?"));
      }
    }
  }
}

TEST(BodyReader, HoldsTheClientBackInBoundedMemory) {
  Pieces reader;
  reader.pausing = true;
  LoopHarness harness({}, reader.configure);
  const ConnectionId id = harness.Connect();
  const std::string text(16u << 20, 'x');
  const std::string request = Post("/", text);
  for (size_t at = 0; at < request.size(); at += 65'536) {
    harness.transport().Deliver(id, std::string_view(request).substr(at, 65'536));
  }
  harness.Turn();
  EXPECT_TRUE(harness.transport().at(id).paused);
  EXPECT_LE(reader.body.size(), 65'536u);
  harness.PassMs(3'600'000);  // the client is not to blame for the wait
  EXPECT_FALSE(harness.closed(id));
  while (!reader.ended && !reader.aborted) {
    harness.loop().ResumeBody(reader.ticket);
    harness.Turn();
    EXPECT_LE(harness.loop().memory_held(), 200'000u);
  }
  EXPECT_EQ(reader.body.size(), text.size());
}

TEST(BodyReader, HearsThatTheBodyIsBrokenAfterTheClientWasAnswered) {
  const struct {
    int status;
    std::string request;
  } cases[] = {
      {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n"},
      {400,
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"},
      {400, Post("/", "not gzip", "Content-Encoding: gzip\r\n")},
      {400, Post("/", Gzip("cut").substr(0, 20), "Content-Encoding: gzip\r\n")},
      {413, Post("/", Gzip(std::string(300'000, 'x')), "Content-Encoding: gzip\r\n")},
      {413, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n"},
      {413, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                Chunked(std::string(100'001, 'x'), 5'000)},
      {415, Post("/", "x", "Content-Encoding: br\r\n")},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.request.substr(0, 120));
    Pieces reader;
    LoopHarness harness({.streamed_body_bytes_max = 100'000}, reader.configure);
    const ConnectionId id = harness.Connect();
    harness.Receive(id, c.request);
    EXPECT_THAT(harness.Sent(id), StartsWith("HTTP/1.1 " + std::to_string(c.status)));
    EXPECT_TRUE(reader.aborted);
    EXPECT_FALSE(reader.ended);
    EXPECT_TRUE(harness.transport().at(id).finished);
  }
}

TEST(BodyReader, HearsThatTheClientWentAway) {
  Pieces reader;
  LoopHarness harness({}, reader.configure);
  const ConnectionId id = harness.Connect();
  harness.Receive(id, Post("/", "0123456789").substr(0, Post("/", "0123456789").size() - 3));
  harness.transport().at(id).broken = true;
  harness.Turn();
  EXPECT_TRUE(reader.aborted);
  EXPECT_FALSE(reader.ended);
}

TEST(BodyReader, HasTimeForEachPieceNotForTheWhole) {
  Pieces reader;
  LoopHarness harness({.body_timeout_ms = 1'000}, reader.configure);
  const ConnectionId id = harness.Connect();
  harness.Receive(id, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    harness.Receive(id, std::string(20'000, 'x'));
    harness.PassMs(900);
  }
  EXPECT_FALSE(reader.aborted);
  for (int i = 0; i < 13; ++i) {  // but dripping is no progress
    harness.Receive(id, "x");
    harness.PassMs(90);
  }
  EXPECT_TRUE(reader.aborted);
  EXPECT_THAT(harness.Sent(id), StartsWith("HTTP/1.1 408"));
}

// A batch: lines are answered while further ones come.
TEST(BodyReader, MayBeAnsweredWhileTheBodyComes) {
  Pieces reader;
  LoopHarness harness({}, reader.configure);
  const ConnectionId id = harness.Connect();
  const std::string request = Post("/", "0123456789") + Get("/next");
  harness.Receive(id, request.substr(0, request.find("56789")));
  BodyWriter* writer = harness.loop().RespondStreaming(reader.ticket, {});
  ASSERT_NE(writer, nullptr);
  EXPECT_TRUE(harness.loop().alive(reader.ticket));
  writer->Write("half");
  harness.Turn();
  EXPECT_THAT(harness.Sent(id), EndsWith("4\r\nhalf\r\n"));
  harness.Receive(id, request.substr(request.find("56789")));
  EXPECT_TRUE(reader.ended);
  writer->End();
  harness.Turn();
  EXPECT_THAT(harness.Sent(id), HasSubstr("GET /next?"));
}

TEST(BodyReader, ABrokenBodyBreaksAnAnswerThatHasBegun) {
  Pieces reader;
  LoopHarness harness({}, reader.configure);
  const ConnectionId id = harness.Connect();
  harness.Receive(id,
                  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  std::optional<bool> closed;
  BodyWriter* writer = harness.loop().RespondStreaming(reader.ticket, {});
  writer->OnClosed([&](bool complete) { closed = complete; });
  writer->Write("begun");
  harness.Receive(id, "zzz\r\n");
  EXPECT_TRUE(reader.aborted);
  EXPECT_EQ(closed, false);
  EXPECT_TRUE(harness.closed(id));
  EXPECT_THAT(BodyOf(harness.Sent(id)), "begun<no end>");
}

TEST(BodyReader, AnEarlyRefusalEndsTheConnectionAndTheReader) {
  Pieces reader;
  LoopHarness harness({}, reader.configure);
  const ConnectionId id = harness.Connect();
  harness.Receive(id, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
  harness.loop().Respond(reader.ticket, {.status = 503, .close = true});
  harness.Turn();
  EXPECT_THAT(harness.Sent(id), StartsWith("HTTP/1.1 503"));
  EXPECT_TRUE(reader.aborted);
  EXPECT_TRUE(harness.transport().at(id).finished);
}

}  // namespace
}  // namespace weir::net

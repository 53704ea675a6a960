// HTTP/2 as bytes, on a loop whose sockets and time are the test's.
#include "net/server/http2_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "net/server/opening.h"
#include "net/server/server_test_support.h"

namespace weir::net {
namespace {

using ::testing::HasSubstr;

std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame.push_back(static_cast<char>(payload.size() >> shift));
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(stream >> shift));
  return frame.append(payload);
}
const std::string kOpening = std::string(kHttp2Preface) + Frame(4, 0, 0, {});
// GET http://a/ of HPACK's static table, and a literal :authority.
std::string GetOn(uint32_t stream) {
  return Frame(1, 5, stream, std::string("\x82\x86\x84\x41\x01", 5) + "a");
}
std::string GoAway(char code) { return std::string("\0\0\0", 3) + code; }

TEST(Http2Session, AnswersWhateverThePiecesOfThePreface) {
  LoopHarness harness;
  const ConnectionId id = harness.Connect();
  for (const char byte : kOpening + GetOn(1)) harness.Receive(id, std::string_view(&byte, 1));
  EXPECT_THAT(harness.Sent(id), HasSubstr("GET /? "));
  harness.Receive(id, GetOn(3));
  EXPECT_THAT(harness.Sent(id), HasSubstr("GET /? "));
}

TEST(Http2Session, EndsAFloodAndServesOthers) {
  for (const bool resets : {true, false}) {
    SCOPED_TRACE(resets);
    LoopHarness harness({.http2_resets_max = 20, .http2_idle_frames_max = 50});
    harness.handler().on_request = [](Loop&, const Request&) {};
    const ConnectionId id = harness.Connect();
    harness.Receive(id, kOpening);
    for (uint32_t i = 0; i < 100 && !harness.closed(id); ++i) {
      const uint32_t stream = 2 * i + 1;
      harness.Receive(id, resets ? GetOn(stream) + Frame(3, 0, stream, std::string("\0\0\0\x8", 4))
                                 : Frame(6, 0, 0, "12345678"));
    }
    EXPECT_TRUE(harness.closed(id));
    EXPECT_THAT(harness.Sent(id), HasSubstr(GoAway('\x0b')));
    harness.handler().on_request = {};
    const ConnectionId other = harness.Connect();
    harness.Receive(other, kOpening + GetOn(1));
    EXPECT_THAT(harness.Sent(other), HasSubstr("GET /? "));
  }
}

// HPACK: one entry of the dynamic table, which is then named by one byte each time.
std::string Bomb(size_t times) {
  const std::string value(3000, 'v');
  // The value's length in seven bits and then by seven: 127 + 0x39 + 0x16 × 128.
  return std::string("\x40\x01x\x7f\xb9\x16", 6) + value + std::string(times, '\xbe');
}

TEST(Http2Session, AHeaderIsNotDecodedFarBeyondItsLimit) {
  const std::string get(
      "\x82\x86\x84\x41\x01"
      "a",
      6);
  for (const bool in_trailers : {false, true}) {
    SCOPED_TRACE(in_trailers);
    LoopHarness harness;
    const ConnectionId id = harness.Connect();
    const std::string post(
        "\x83\x86\x84\x41\x01"
        "a",
        6);
    harness.Receive(id, kOpening + (in_trailers ? Frame(1, 4, 1, post) + Frame(1, 5, 1, Bomb(8000))
                                                : Frame(1, 5, 1, get + Bomb(8000))));
    EXPECT_TRUE(harness.closed(id));
    EXPECT_THAT(harness.Sent(id), HasSubstr(GoAway('\x0b')));
  }
  LoopHarness harness;
  const ConnectionId id = harness.Connect();
  harness.Receive(id, kOpening + Frame(1, 5, 1, get + Bomb(8)) + GetOn(3));
  EXPECT_FALSE(harness.closed(id)) << "too long, and no bomb";
  EXPECT_THAT(harness.Sent(id), HasSubstr("GET /? "));
}

std::string WindowUpdate(uint32_t stream, uint32_t bytes) {
  std::string payload;
  for (const int shift : {24, 16, 8, 0}) payload.push_back(static_cast<char>(bytes >> shift));
  return Frame(8, 0, stream, payload);
}

// A window update that overflows the stream's window: the server has to end the stream, while the
// request goes on (CVE-2025-8671).
TEST(Http2Session, StreamsThatTheClientMakesUsEndCountAsTakenBack) {
  LoopHarness harness({.http2_resets_max = 20});
  int begun = 0;
  harness.handler().on_request = [&](Loop&, const Request&) { ++begun; };
  const ConnectionId id = harness.Connect();
  harness.Receive(id, kOpening);
  for (uint32_t i = 0; i < 100 && !harness.closed(id); ++i) {
    const uint32_t stream = 2 * i + 1;
    harness.Receive(id, GetOn(stream) + WindowUpdate(stream, 0x7fffffff));
  }
  EXPECT_TRUE(harness.closed(id));
  EXPECT_EQ(begun, 21);
  EXPECT_THAT(harness.Sent(id), HasSubstr(GoAway('\x0b')));
}

// As Go's client reads: both windows are opened by 4 KiB whenever so much was taken.
TEST(Http2Session, ALargeAnswerMayBeReadInSmallPieces) {
  const std::string large(2u << 20, 'x');
  LoopHarness harness({.http2_idle_frames_max = 50});
  harness.handler().on_request = [&](Loop& loop, const Request& request) {
    loop.Respond(request.ticket, {.body = large});
  };
  const ConnectionId id = harness.Connect();
  harness.Receive(id, kOpening + GetOn(1));
  size_t received = 0;
  for (size_t read = 0; read < large.size() && !harness.closed(id); read += 4'096) {
    received += harness.Sent(id).size();
    harness.Receive(id, WindowUpdate(0, 4'096) + WindowUpdate(1, 4'096));
  }
  received += harness.Sent(id).size();
  EXPECT_FALSE(harness.closed(id));
  EXPECT_GT(received, large.size());
  // What answers nothing is a flood all the same.
  for (uint32_t i = 0; i < 10'000 && !harness.closed(id); ++i) {
    harness.Receive(id, WindowUpdate(0, 1));
  }
  EXPECT_TRUE(harness.closed(id));
  EXPECT_THAT(harness.Sent(id), HasSubstr(GoAway('\x0b')));
}

struct Sent {
  uint8_t type, flags;
  uint32_t stream;
  std::string payload;
};
std::vector<Sent> Frames(std::string_view bytes) {
  std::vector<Sent> frames;
  const auto byte = [&](size_t at) { return uint32_t{static_cast<uint8_t>(bytes[at])}; };
  while (bytes.size() >= 9) {
    const size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    frames.push_back({static_cast<uint8_t>(byte(3)), static_cast<uint8_t>(byte(4)),
                      byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8),
                      std::string(bytes.substr(9, size))});
    bytes.remove_prefix(9 + size);
  }
  return frames;
}
// The streams whose answers are whole, in the order in which they are.
std::vector<uint32_t> Answered(const std::vector<Sent>& frames) {
  std::vector<uint32_t> streams;
  for (const Sent& frame : frames) {
    if (frame.type <= 1 && (frame.flags & 1) != 0) streams.push_back(frame.stream);
  }
  return streams;
}
std::vector<uint32_t> TakenBack(const std::vector<Sent>& frames) {
  std::vector<uint32_t> streams;
  for (const Sent& frame : frames) {
    if (frame.type == 3) streams.push_back(frame.stream);
  }
  return streams;
}

// POST http://a/ with a body that follows.
std::string PostOn(uint32_t stream) {
  return Frame(1, 4, stream, std::string("\x83\x86\x84\x41\x01", 5) + "a");
}

TEST(Http2Session, BodiesThatComeInTurnsBelongEachToItsOwnHeader) {
  LoopHarness harness;
  const ConnectionId id = harness.Connect();
  const auto post = [](uint32_t stream, std::string_view path) {
    return Frame(1, 4, stream,
                 std::string("\x83\x86\x41\x01", 4) + "a\x04\x02" + std::string(path));
  };
  harness.Receive(id, kOpening + post(1, "/1") + post(3, "/3"));
  harness.Receive(id, Frame(0, 0, 1, "of ") + Frame(0, 0, 3, "of ") + Frame(0, 1, 3, "three"));
  harness.Receive(id, Frame(0, 1, 1, "one") + GetOn(5));
  const std::string sent = harness.Sent(id);
  EXPECT_THAT(sent, HasSubstr("POST /1? of one"));
  EXPECT_THAT(sent, HasSubstr("POST /3? of three"));
  EXPECT_THAT(sent, HasSubstr("GET /? "));
  EXPECT_EQ(harness.loop().memory_held(), 0u);
}

TEST(Http2Session, RequestsWaitForTheAnswersBeforeThemToLeave) {
  LoopHarness harness({.send_buffer_bytes_max = 10'000});
  size_t handled = 0;
  std::string last_body;
  harness.handler().on_request = [&](Loop& loop, const Request& request) {
    ++handled;
    last_body = request.body;
    loop.Respond(request.ticket, {.body = std::string(4'000, 'x')});
  };
  const ConnectionId id = harness.Connect();
  harness.transport().at(id).room = 0;
  std::string requests = kOpening;
  std::vector<uint32_t> streams;
  for (uint32_t stream = 1; stream < 24; stream += 2) {
    streams.push_back(stream);
    requests += GetOn(stream);
  }
  streams.push_back(25);
  harness.Receive(id,
                  requests + PostOn(25) + Frame(0, 0, 25, "first and ") + Frame(0, 1, 25, "last"));
  EXPECT_LT(handled, 8u);
  harness.transport().MakeRoom(id, testing::ScriptedTransport::kUnlimited);
  harness.Turn();
  EXPECT_EQ(handled, streams.size());
  EXPECT_EQ(last_body, "first and last");
  const std::vector<Sent> frames = Frames(harness.Sent(id));
  EXPECT_EQ(Answered(frames), streams);
  EXPECT_THAT(TakenBack(frames), ::testing::IsEmpty());
  EXPECT_EQ(harness.loop().memory_held(), 0u);
}

// An answer in pieces that the client does not read, on a connection that it does.
TEST(Http2Session, AnAnswerThatStandsStillHoldsUpNoOther) {
  LoopHarness harness({.send_buffer_bytes_max = 100'000});
  const ConnectionId id = harness.Connect();
  harness.handler().on_request = [](Loop& loop, const Request& request) {
    BodyWriter* const writer = loop.RespondStreaming(request.ticket, {});
    EXPECT_FALSE(writer->Write(std::string(400'000, 'x')));
  };
  harness.Receive(id, kOpening + WindowUpdate(0, 1 << 24) + GetOn(1));
  harness.handler().on_request = {};
  EXPECT_THAT(harness.Sent(id), HasSubstr("xxxx"));
  harness.Receive(id, GetOn(3));
  const std::vector<Sent> frames = Frames(harness.Sent(id));
  EXPECT_THAT(Answered(frames), ::testing::ElementsAre(3));
  EXPECT_THAT(TakenBack(frames), ::testing::IsEmpty());
}

// Whole or in pieces: what nobody reads any more holds nothing up.
TEST(Http2Session, AnAnswerThatItsClientTakesBackMakesRoom) {
  for (const bool in_pieces : {false, true}) {
    SCOPED_TRACE(in_pieces);
    LoopHarness harness({.send_buffer_bytes_max = 10'000});
    int begun = 0;
    harness.handler().on_request = [&](Loop& loop, const Request& request) {
      ++begun;
      const std::string body(150'000, 'x');
      if (!in_pieces) return loop.Respond(request.ticket, {.body = body});
      EXPECT_FALSE(loop.RespondStreaming(request.ticket, {})->Write(body));
    };
    const ConnectionId id = harness.Connect();
    harness.Receive(id, kOpening + GetOn(1));
    harness.Receive(id, GetOn(3));
    EXPECT_EQ(begun, 1);
    harness.Receive(id, Frame(3, 0, 1, std::string("\0\0\0\x8", 4)));
    EXPECT_EQ(begun, 2);
  }
}

TEST(Http2Session, WhatWaitsIsBoundedInMemoryAndTime) {
  LoopHarness harness({.body_bytes_max = 6'000,
                       .send_buffer_bytes_max = 10'000,
                       .body_memory_bytes_max = 24'000,
                       .send_timeout_ms = 5'000});
  harness.handler().on_request = [&](Loop& loop, const Request& request) {
    loop.Respond(request.ticket, {.body = std::string(80'000, 'x')});
  };
  const ConnectionId id = harness.Connect();
  harness.Receive(id, kOpening + GetOn(1));  // more than the windows let through
  harness.Receive(id, PostOn(3) + Frame(0, 0, 3, std::string(16'000, 'y')));
  harness.Receive(id, PostOn(5) + Frame(0, 0, 5, std::string(16'000, 'y')));
  EXPECT_THAT(TakenBack(Frames(harness.Sent(id))), ::testing::ElementsAre(5));
  EXPECT_EQ(harness.loop().counters().http2_refused.value(), 1u);
  // The connection makes progress, but not for this one.
  for (int i = 0; i < 6; ++i) {
    harness.PassMs(1'000);
    harness.Receive(id, WindowUpdate(0, 100) + WindowUpdate(1, 100));
  }
  EXPECT_FALSE(harness.closed(id));
  EXPECT_THAT(TakenBack(Frames(harness.Sent(id))), ::testing::ElementsAre(3));
  EXPECT_EQ(harness.loop().memory_held(), 0u);
}

TEST(Http2Session, LargeAnswersThatNobodyTakesAreBoundedForAllTogether) {
  LoopHarness harness({.answer_memory_bytes_max = 1'000'000});
  std::vector<Ticket> tickets;
  harness.handler().on_request = [&](Loop&, const Request& request) {
    tickets.push_back(request.ticket);
  };
  const ConnectionId id = harness.Connect();
  std::string requests = kOpening;
  for (int stream = 1; stream < 100; stream += 2) requests += GetOn(stream);
  harness.Receive(id, requests);
  ASSERT_EQ(tickets.size(), 50u);
  for (const Ticket ticket : tickets) {
    harness.loop().Respond(ticket, {.body = std::string(100'000, 'x')});
    EXPECT_LE(harness.loop().answers_held(), 1'100'000u + (50u << 10));
  }
  harness.Turn();
  EXPECT_EQ(harness.loop().counters().responses_by_class[2].value(), 10u);
  EXPECT_EQ(harness.loop().counters().responses_by_class[5].value(), 40u);
  harness.transport().at(id).broken = true;
  harness.Turn();
  EXPECT_TRUE(harness.closed(id));
  EXPECT_EQ(harness.loop().answers_held(), 0u);
}

TEST(Http2Session, NothingBeginsThatWaitedOnAConnectionEndedForAFlood) {
  LoopHarness harness({.send_buffer_bytes_max = 10'000, .http2_idle_frames_max = 50});
  int begun = 0;
  harness.handler().on_request = [&](Loop& loop, const Request& request) {
    ++begun;
    loop.Respond(request.ticket, {.body = std::string(80'000, 'x')});
  };
  const ConnectionId id = harness.Connect();
  harness.Receive(id, kOpening + GetOn(1));
  harness.Receive(id, GetOn(3));
  std::string flood = Frame(3, 0, 1, std::string("\0\0\0\x8", 4));  // which would make room
  for (int i = 0; i < 100; ++i) flood += Frame(6, 0, 0, "12345678");
  harness.Receive(id, flood);
  EXPECT_EQ(begun, 1);
  EXPECT_TRUE(harness.closed(id));
  EXPECT_EQ(harness.loop().memory_held(), 0u);
}

// Its time runs from the first frame of a header that comes in several.
TEST(Http2Session, ARequestIsReceivedWhenItsHeaderBegins) {
  LoopHarness harness;
  int64_t received_ns = 0;
  harness.handler().on_request = [&](Loop&, const Request& request) {
    received_ns = request.received_ns;
  };
  const ConnectionId id = harness.Connect();
  harness.Receive(id, kOpening);
  harness.PassMs(100);
  const int64_t began_ns = harness.clock().SteadyNs();
  harness.Receive(id, Frame(1, 1, 1, "\x82\x86"));
  harness.PassMs(500);
  harness.Receive(id, Frame(9, 4, 1, std::string("\x84\x41\x01", 3) + "a"));
  EXPECT_EQ(received_ns, began_ns);
}

// A client that says goodbye may still have sent something: to close on that would reset it.
TEST(Http2Session, AClientThatSaysGoodbyeIsReadToItsEnd) {
  for (const bool leaves : {true, false}) {
    LoopHarness harness;
    const ConnectionId id = harness.Connect();
    harness.Receive(id, kOpening + GetOn(1) + Frame(7, 0, 0, std::string(8, '\0')));
    EXPECT_THAT(harness.Sent(id), HasSubstr("GET /? "));
    EXPECT_TRUE(harness.transport().at(id).finished);
    EXPECT_FALSE(harness.closed(id));
    harness.Receive(id, Frame(6, 0, 0, "12345678"));
    EXPECT_FALSE(harness.closed(id));
    if (leaves) {
      harness.transport().at(id).peer_finished = true;
      harness.Turn();
    } else {
      harness.PassMs(3'000);
    }
    EXPECT_TRUE(harness.closed(id));
    EXPECT_FALSE(harness.transport().at(id).reset);
  }
}

TEST(Http2Session, CountsAHeaderThatIsLateOnceThoughItsClientReadsNothing) {
  LoopHarness harness({.header_timeout_ms = 1'000, .send_timeout_ms = 5'000});
  const ConnectionId id = harness.Connect();
  harness.transport().at(id).room = 0;
  harness.Receive(id, kOpening + Frame(1, 1, 1, "\x82"));  // more of it is to come
  for (int i = 0; i < 30; ++i) harness.PassMs(100);
  EXPECT_EQ(harness.loop().counters().timeouts.value(), 1u);
  EXPECT_FALSE(harness.closed(id));
  harness.PassMs(5'000);
  EXPECT_TRUE(harness.transport().at(id).reset);
  const ConnectionId other = harness.Connect();
  harness.Receive(other, kOpening + GetOn(1));
  EXPECT_THAT(harness.Sent(other), HasSubstr("GET /? "));
}

TEST(Http2Session, WhatIsRefusedIsToldWithoutAMark) {
  std::vector<std::pair<uint32_t, int>> told;
  LoopHarness harness({}, [&](FunctionHandler& handler, Loop&) {
    handler.on_answered = [&](Mark mark, int status) { told.emplace_back(mark.value, status); };
  });
  int status = 429;
  harness.handler().on_request = [&](Loop& loop, const Request& request) {
    loop.Respond(request.ticket, {.status = status});
  };
  const ConnectionId id = harness.Connect();
  harness.Receive(id, kOpening + GetOn(1));
  status = 202;
  harness.Receive(id, GetOn(3));
  EXPECT_THAT(told, ::testing::ElementsAre(::testing::Pair(0, 429)));
}

}  // namespace
}  // namespace weir::net

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

std::string WindowUpdate(uint32_t stream, uint32_t bytes) {
  std::string payload;
  for (const int shift : {24, 16, 8, 0}) payload.push_back(static_cast<char>(bytes >> shift));
  return Frame(8, 0, stream, payload);
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

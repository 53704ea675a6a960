#include "tools/surge/event_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace weir::surge {
namespace {

using testing::ElementsAre;

// "id/event/data" of each event, fed in pieces of `piece` bytes.
std::vector<std::string> Events(std::string_view text, size_t piece) {
  std::vector<std::string> events;
  EventParser parser;
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    parser.Feed(text.substr(0, piece), [&](const ServerEvent& event) {
      events.push_back(event.id + "/" + event.event + "/" + event.data);
    });
  }
  return events;
}

TEST(EventParser, FindsEventsHoweverTheyAreCut) {
  constexpr std::string_view kText =
      ": welcome\r\n\r\nid: 1\r\nevent: alert\r\ndata: {\"a\":1}\r\n\r\n"
      "id:2\nevent:alert\ndata:{}\n\n:beat\n\ndata: x\n\nid: 3\nevent: alert\ndata: half";
  for (const size_t piece : {1, 2, 7, 1000}) {
    EXPECT_THAT(Events(kText, piece), ElementsAre("1/alert/{\"a\":1}", "2/alert/{}", "2//x"));
  }
}

// Half an event has not come: the stream resumes before it.
TEST(EventParser, ForgetsHalfAnEventAtANewConnection) {
  EventParser parser;
  std::vector<std::string> data;
  const auto each = [&](const ServerEvent& event) { data.push_back(event.data); };
  parser.Feed("id: 1\ndata: a\n\nid: 2\nevent: alert\ndata: b", each);
  parser.Reset();
  EXPECT_EQ(parser.last_id(), "1");
  parser.Feed("id: 2\ndata: c\n\n", each);
  EXPECT_THAT(data, ElementsAre("a", "c"));
  EXPECT_EQ(parser.last_id(), "2");
}

}  // namespace
}  // namespace weir::surge

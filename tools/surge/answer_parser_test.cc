#include "tools/surge/answer_parser.h"

#include <gtest/gtest.h>

namespace weir::surge {
namespace {

constexpr std::string_view kAccepted =
    "HTTP/1.1 202 Accepted\r\nServer: x\r\ncontent-length: 5\r\n\r\nhello";

TEST(AnswerParser, ReadsAnAnswerWithALength) {
  Answer answer;
  ASSERT_EQ(AnswerParser().Parse(kAccepted, answer), ParseResult::kWhole);
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.bytes, kAccepted.size());
  EXPECT_LT(answer.retry_after_s, 0);
  EXPECT_FALSE(answer.close);
}

TEST(AnswerParser, WaitsForTheWholeAnswer) {
  Answer answer;
  AnswerParser parser;
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
  for (const std::string_view whole : {kAccepted, std::string_view(chunked)}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      EXPECT_EQ(parser.Parse(whole.substr(0, length), answer), ParseResult::kIncomplete) << length;
    }
  }
  ASSERT_EQ(parser.Parse(chunked, answer), ParseResult::kWhole);
  EXPECT_EQ(answer.body, "abc0123456789");
  EXPECT_EQ(answer.bytes, chunked.size());
}

TEST(AnswerParser, ReadsWhatItMustObey) {
  Answer answer;
  ASSERT_EQ(AnswerParser().Parse("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nConnection: close\r\n"
                                 "Content-Length: 0\r\n\r\n",
                                 answer),
            ParseResult::kWhole);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.retry_after_s, 7);
  EXPECT_TRUE(answer.close);
}

TEST(AnswerParser, RefusesWhatIsNotHttp) {
  Answer answer;
  for (const char* bytes : {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    EXPECT_EQ(AnswerParser().Parse(bytes, answer), ParseResult::kMalformed) << bytes;
  }
  EXPECT_EQ(AnswerParser().Parse(std::string(64 << 10, 'x'), answer), ParseResult::kMalformed);
}

}  // namespace
}  // namespace weir::surge

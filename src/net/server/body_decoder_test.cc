#include "net/server/body_decoder.h"

#include <gtest/gtest.h>

#include "net/server/gzip_test_support.h"

namespace weir::net {
namespace {

using Whole = BodyDecoder::Whole;

TEST(BodyDecoder, KnowsTheCodingsByName) {
  EXPECT_EQ(ParseCoding(""), Coding::kIdentity);
  EXPECT_EQ(ParseCoding("Identity"), Coding::kIdentity);
  EXPECT_EQ(ParseCoding("GZIP"), Coding::kGzip);
  EXPECT_EQ(ParseCoding("x-gzip"), Coding::kGzip);
  EXPECT_EQ(ParseCoding("deflate"), Coding::kDeflate);
  EXPECT_EQ(ParseCoding("br"), Coding::kUnknown);
  EXPECT_EQ(ParseCoding("gzip, gzip"), Coding::kUnknown);
}

TEST(BodyDecoder, DecodesGzipAndDeflateAgainAndAgain) {
  BodyDecoder decoder;
  std::string out;
  for (const size_t size : {0, 1, 16'383, 16'384, 16'385, 300'000}) {
    const std::string text = Text(size);
    EXPECT_EQ(decoder.DecodeWhole(Coding::kGzip, Gzip(text), 1 << 20, &out), Whole::kOk);
    EXPECT_EQ(out, text);
    EXPECT_EQ(decoder.DecodeWhole(Coding::kDeflate, Deflate(text), 1 << 20, &out), Whole::kOk);
    EXPECT_EQ(out, text);
  }
}

TEST(BodyDecoder, JoinsTheMembersOfAGzipFile) {
  BodyDecoder decoder;
  std::string out;
  EXPECT_EQ(decoder.DecodeWhole(Coding::kGzip, Gzip("one ") + Gzip("") + Gzip("two"), 100, &out),
            Whole::kOk);
  EXPECT_EQ(out, "one two");
}

TEST(BodyDecoder, RefusesWhatDecodesToMoreThanTheLimitWithoutDecodingIt) {
  BodyDecoder decoder;
  std::string out;
  const std::string bomb = Gzip(std::string(64u << 20, 'a'));
  EXPECT_EQ(decoder.DecodeWhole(Coding::kGzip, bomb, 1 << 20, &out), Whole::kTooLarge);
  EXPECT_LE(out.capacity(), 2u << 20);
  const std::string exact = Text(1000);
  EXPECT_EQ(decoder.DecodeWhole(Coding::kGzip, Gzip(exact), 1000, &out), Whole::kOk);
  EXPECT_EQ(decoder.DecodeWhole(Coding::kGzip, Gzip(exact), 999, &out), Whole::kTooLarge);
}

TEST(BodyDecoder, RefusesWhatIsDamaged) {
  BodyDecoder decoder;
  std::string out;
  const std::string good = Gzip(Text(5000));
  for (size_t cut = 0; cut < good.size(); cut += 7) {
    EXPECT_EQ(decoder.DecodeWhole(Coding::kGzip, good.substr(0, cut), 1 << 20, &out),
              Whole::kMalformed)
        << cut;
  }
  std::string flipped = good;
  flipped[good.size() - 6] ^= 1;  // the checksum
  EXPECT_EQ(decoder.DecodeWhole(Coding::kGzip, flipped, 1 << 20, &out), Whole::kMalformed);
  EXPECT_EQ(decoder.DecodeWhole(Coding::kGzip, good + "rest", 1 << 20, &out), Whole::kMalformed);
  EXPECT_EQ(decoder.DecodeWhole(Coding::kDeflate, Deflate("a") + "rest", 1 << 20, &out),
            Whole::kMalformed);
  EXPECT_EQ(decoder.DecodeWhole(Coding::kGzip, "plain text", 1 << 20, &out), Whole::kMalformed);
  EXPECT_EQ(decoder.DecodeWhole(Coding::kGzip, good, 1 << 20, &out), Whole::kOk);
}

}  // namespace
}  // namespace weir::net

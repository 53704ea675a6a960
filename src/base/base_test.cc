#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/json_writer.h"
#include "base/sha256.h"

namespace weir::base {
namespace {

TEST(Crc32c, MatchesTheCheckValueAndExtends) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(ExtendCrc32c(Crc32c("1234"), "56789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Sha256, MatchesFips180) {
  EXPECT_EQ(Sha256("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256({"a", "", "bc"}), Sha256("abc"));
}

// RFC 4231, cases 2 and 6.
TEST(HmacSha256, MatchesRfc4231) {
  EXPECT_EQ(HmacSha256("Jefe", "what do ya want for nothing?").hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      HmacSha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")
          .hex(),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Time, ReadsWhatItWrites) {
  for (const int64_t ms : {int64_t{0}, int64_t{1}, int64_t{1'795'489'565'123}, int64_t{-1},
                           int64_t{951'782'400'000}}) {
    EXPECT_EQ(ParseTime(FormatTime(ms)).value(), ms);
  }
  EXPECT_EQ(FormatTime(0), "1970-01-01T00:00:00.000Z");
}

TEST(Time, TakesOffsetsFractionsAndDates) {
  EXPECT_EQ(ParseTime("1970-01-01T01:00:00.5+01:00").value(), 500);
  EXPECT_EQ(ParseTime("1970-01-02").value(), 86'400'000);
  for (const char* bad :
       {"", "1970", "1970-02-30", "1970-01-01T", "1970-01-01T25:00:00Z", "1970-01-01T00:00:00",
        "1970-01-01T00:00:00Zx", "1970-01-01T00:00:00.Z"}) {
    EXPECT_FALSE(ParseTime(bad)) << bad;
  }
}

// A zone offset or a leap second may lead out of the years that can be written.
TEST(Time, RefusesWhatItCannotWrite) {
  for (const char* edge : {"0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"}) {
    EXPECT_EQ(FormatTime(ParseTime(edge).value()), edge);
  }
  for (const char* beyond :
       {"0000-01-01T00:00:00+00:01", "9999-12-31T23:59:60Z", "9999-12-31T23:59:59-00:01"}) {
    EXPECT_FALSE(ParseTime(beyond)) << beyond;
  }
}

TEST(JsonWriter, EscapesAndPlacesCommas) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject().Key("a\"").String("x\n\x01\xff\xc3\xa9").Key("b").BeginArray();
  json.Number(1).Number(0.5).Bool(true).Null().BeginObject().EndObject().EndArray().EndObject();
  EXPECT_EQ(out, "{\"a\\\"\":\"x\\n\\u0001\xef\xbf\xbd\xc3\xa9\",\"b\":[1,0.5,true,null,{}]}");
}

TEST(ByteReader, NeverReadsPastItsEnd) {
  ByteReader reader("\x01\x02\x03");
  EXPECT_EQ(reader.Int<uint16_t>(), 0x0201);
  EXPECT_EQ(reader.Int<uint32_t>(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.Bytes(1), "");
}

TEST(Hex, RoundTrips) {
  std::array<uint8_t, 3> bytes{};
  EXPECT_TRUE(FromHex("00Ff10", bytes));
  EXPECT_EQ(ToHex(std::string_view("\x00\xff\x10", 3)), "00ff10");
  EXPECT_FALSE(FromHex("00f", bytes));
  EXPECT_FALSE(FromHex("00fg10", bytes));
}

}  // namespace
}  // namespace weir::base

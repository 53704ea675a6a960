#include "observe/trace.h"

#include <gtest/gtest.h>

#include <set>

namespace weir::observe {
namespace {

// The example of the Recommendation, section 3.2.
constexpr const char* kGood = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Traceparent, ReadsWhatItWrites) {
  const auto context = ParseTraceparent(kGood);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace.hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(FormatTraceparent(*context), kGood);
}

TEST(Traceparent, TakesLaterVersionsAndNothingMalformed) {
  EXPECT_TRUE(ParseTraceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what"));
  for (const char* bad : {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
                          "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                          "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                          "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
                          "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what",
                          "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_FALSE(ParseTraceparent(bad)) << bad;
  }
}

TEST(TraceOf, ContinuesTheCallersTraceOrBeginsOne) {
  TraceIds ids(7);
  EXPECT_EQ(TraceOf(kGood, ids).hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_NE(TraceOf("nonsense", ids), TraceOf("", ids));
}

TEST(Tracestate, OfAllHeadersIsOne) {
  const auto join = [](std::vector<std::string_view> headers) { return JoinTracestate(headers); };
  EXPECT_EQ(join({"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"}),
            "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
  EXPECT_EQ(join({" a=1 ,, b=2 3\t", "", "4t*/@v-1=!~"}), "a=1,b=2 3,4t*/@v-1=!~");
  EXPECT_EQ(join({}), "");
  const std::string longest = "a=" + std::string(256, 'x') + ",b=" + std::string(251, 'x');
  EXPECT_EQ(join({longest}).size(), 512u);
  std::string many;
  for (int i = 0; i < 32; ++i) many += "k" + std::to_string(i) + "=v,";
  EXPECT_FALSE(join({many}).empty());
  for (const std::string& bad :
       {longest + ",c", longest + "x", many + "k=v", std::string("a"), std::string("=1"),
        std::string("a="), std::string("a=1,a=2"), std::string("A=1"), std::string("1=1"),
        std::string("a=b=c"), std::string("a=\x01"), std::string("a=\xc3\xbc"), std::string("a =1"),
        "a=" + std::string(257, 'x'), std::string("t@=1"), std::string("@v=1"),
        std::string("t@v@w=1"), "t@" + std::string(15, 'v') + "=1"}) {
    EXPECT_EQ(join({"ok=1", bad}), "") << bad;
  }
}

// A task of another process, years later, makes the same id, so that a webhook finds its parent.
TEST(DeriveSpan, IsTheSameForTheSameArgumentsAlone) {
  const TraceContext context = *ParseTraceparent(kGood);
  const SpanId span = DeriveSpan(context, 7, "alert");
  EXPECT_EQ(span, DeriveSpan(context, 7, "alert"));
  EXPECT_NE(span, DeriveSpan(context, 8, "alert"));
  EXPECT_NE(span, DeriveSpan(context, 7, "diary"));
  TraceContext other = context;
  other.parent.bytes[7] ^= 1;
  EXPECT_NE(span, DeriveSpan(other, 7, "alert"));
}

TEST(SpanIds, AreReadAsARecordHoldsThem) {
  const SpanId span = ParseTraceparent(kGood)->parent;
  EXPECT_EQ(ParseSpanId(span.view()), span);
  EXPECT_EQ(ParseSpanId(""), std::nullopt);
  EXPECT_EQ(ParseSpanId(std::string(8, '\0')), std::nullopt);
  EXPECT_EQ(ParseTraceId("4bf92f3577b34da6a3ce929d0e0e4736"), ParseTraceparent(kGood)->trace);
  EXPECT_EQ(ParseTraceId("4BF92F3577B34DA6A3CE929D0E0E4736"), std::nullopt);
}

TEST(TraceIds, AreUnique) {
  TraceIds ids = TraceIds::Seeded();
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) seen.insert(ids.NextTrace().hex());
  EXPECT_EQ(seen.size(), 10'000u);
  EXPECT_NE(TraceIds::Seeded().NextTrace(), TraceIds::Seeded().NextTrace());
}

}  // namespace
}  // namespace weir::observe

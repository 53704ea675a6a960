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

#include "app/request_spans.h"

#include <gtest/gtest.h>

namespace weir::app {
namespace {

using observe::TraceContext;

const TraceContext kSampled =
    *observe::ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

class Requests : public ::testing::Test {
 protected:
  RequestSpans::Begun Begin(RequestSpans& spans, const TraceContext& context, bool given) {
    return spans.Begin(context, given, net::Method::kPost, "/submit", 10, ids_);
  }
  TraceContext Own() { return {.trace = ids_.NextTrace()}; }

  observe::TraceIds ids_{7};
  observe::SpanQueue queue_{{.spans_max = 10}};
};

TEST_F(Requests, OfASampledTraceHaveASpan) {
  RequestSpans spans(&queue_, 0);
  const auto begun = Begin(spans, kSampled, true);
  ASSERT_NE(begun.mark, 0u);
  EXPECT_FALSE(begun.span.none());
  EXPECT_NE(begun.span, kSampled.parent);
  spans.End(begun.mark, 503, 30);
  const auto span = queue_.Take(0);
  ASSERT_TRUE(span);
  EXPECT_EQ(span->id, begun.span);
  EXPECT_EQ(span->of.parent, kSampled.parent);
  EXPECT_EQ(span->name.text(), "POST /submit");
  EXPECT_TRUE(span->failed);
}

TEST_F(Requests, FollowTheirCallersWordBeforeTheShare) {
  RequestSpans all(&queue_, 1), none(&queue_, 0), half(&queue_, 0.5);
  TraceContext refused = kSampled;
  refused.sampled = false;
  EXPECT_EQ(Begin(all, refused, true).mark, 0u);
  EXPECT_TRUE(Begin(all, refused, true).span.none());
  EXPECT_NE(Begin(all, Own(), false).mark, 0u);
  EXPECT_EQ(Begin(none, Own(), false).mark, 0u);
  int sampled = 0;
  for (int i = 0; i < 1000; ++i) sampled += Begin(half, Own(), false).mark != 0;
  EXPECT_NEAR(sampled, 500, 100);
}

TEST_F(Requests, PassACallersSpanOnWhereNothingIsExported) {
  RequestSpans spans(nullptr, 1);
  const auto begun = Begin(spans, kSampled, true);
  EXPECT_EQ(begun.mark, 0u);
  EXPECT_EQ(begun.span, kSampled.parent);
}

TEST_F(Requests, HaveNoSpanBeyondTheBoundAndHaveOneAgainBelowIt) {
  RequestSpans spans(&queue_, 1);
  uint32_t last = 0;
  for (size_t i = 0; i < RequestSpans::kOpenMax; ++i) last = Begin(spans, Own(), false).mark;
  EXPECT_EQ(Begin(spans, Own(), false).mark, 0u);
  spans.End(last, 0, 20);
  EXPECT_EQ(Begin(spans, Own(), false).mark, last);
}

}  // namespace
}  // namespace weir::app

#include "tasks/task_spans.h"

#include <gtest/gtest.h>

#include <memory>

namespace weir::tasks {
namespace {

using base::Offset;

class Spans : public ::testing::Test {
 protected:
  Spans() {
    context_ =
        *observe::ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    window_.block.records.push_back({.offset = Offset(7)});
    window_.computed = std::make_unique<Computed>();
    window_.computed->traced.push_back({0, context_});
  }
  void Apply(std::string_view task, std::optional<Offset> replay = {}) {
    spans_.Add({task, &window_, 0, context_, 10, false, replay});
  }

  observe::SpanQueue queue_{{.spans_max = 100'000}};
  TaskSpans spans_{&queue_};
  observe::TraceContext context_;
  Window window_;
};

TEST_F(Spans, AreThereOnceTheTransactionIsCommitted) {
  Apply("diary");
  EXPECT_EQ(queue_.size(), 0u);
  spans_.Committed(30);
  const auto span = queue_.Take(0);
  ASSERT_TRUE(span);
  EXPECT_EQ(span->of.parent, context_.parent);
  EXPECT_EQ(span->id, SpanOfTask(context_, Offset(7), "diary"));
  EXPECT_EQ(span->start_ns, 10);
  EXPECT_EQ(span->end_ns, 30);
  EXPECT_FALSE(span->failed);
}

TEST_F(Spans, OfATransactionThatWasRolledBackAreForgotten) {
  spans_.Quarantined("diary", Offset(7));
  Apply("diary");
  spans_.RolledBack();
  Apply("diary");
  spans_.Committed(30);
  EXPECT_EQ(queue_.size(), 1u);
  EXPECT_FALSE(queue_.Take(0)->failed);
}

TEST_F(Spans, SayWhatWentIntoQuarantineAndWhatCameOutOfIt) {
  spans_.Quarantined("diary", Offset(7));
  Apply("diary");
  Apply("assess");
  spans_.Committed(30);
  EXPECT_TRUE(queue_.Take(0)->failed);
  EXPECT_FALSE(queue_.Take(0)->failed);
  Apply("diary", Offset(9));
  spans_.Committed(40);
  EXPECT_NE(queue_.Take(0)->id, SpanOfTask(context_, Offset(7), "diary"));
}

TEST_F(Spans, AreBoundedAndWhatIsBeyondIsCounted) {
  for (size_t i = 0; i < TaskSpans::kGatheredMax + 5; ++i) Apply("diary");
  spans_.Committed(30);
  EXPECT_EQ(queue_.size(), TaskSpans::kGatheredMax);
  EXPECT_EQ(queue_.stats().dropped, 5u);
}

TEST_F(Spans, AreNotWantedWhereNothingIsTracedOrExported) {
  EXPECT_TRUE(spans_.wanted(window_));
  EXPECT_FALSE(TaskSpans(nullptr).wanted(window_));
  window_.computed->traced.clear();
  EXPECT_FALSE(spans_.wanted(window_));
}

}  // namespace
}  // namespace weir::tasks

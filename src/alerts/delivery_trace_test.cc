#include "alerts/delivery_trace.h"

#include <gtest/gtest.h>

#include "testing/memory_journal/memory_journal.h"
#include "wire/envelope.h"

namespace weir::alerts {
namespace {

constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kRequest = "12345678";

class TraceOfAnAlert : public ::testing::Test {
 protected:
  Alert AlertOf(std::string_view trace_id, std::string_view span) {
    journal::RecordHeader header;
    header.kind = static_cast<uint16_t>(wire::Kind::kReport);
    Alert alert;
    alert.trace_id = trace_id;
    alert.report = journal_.Add(
        header, wire::Encode(wire::ReportHead{.trace_id = trace_id, .span = span}), "{}");
    return alert;
  }
  testing::MemoryJournal journal_;
};

TEST_F(TraceOfAnAlert, IsThatOfItsReport) {
  const Alert alert = AlertOf(kTrace, kRequest);
  const auto ours = TraceOf(alert, journal_, true);
  ASSERT_TRUE(ours);
  EXPECT_TRUE(ours->sampled);
  EXPECT_EQ(ours->trace.hex(), kTrace);
  const observe::TraceContext request{ours->trace, *observe::ParseSpanId(kRequest), true};
  EXPECT_EQ(ours->parent, observe::DeriveSpan(request, alert.report.value(), "alert"));
  // Nobody is told of the task's span where nothing is exported.
  EXPECT_EQ(TraceOf(alert, journal_, false)->parent, request.parent);
}

TEST_F(TraceOfAnAlert, IsNotSampledUnlessItsReportWas) {
  EXPECT_FALSE(TraceOf(AlertOf("", ""), journal_, true));
  EXPECT_FALSE(TraceOf(AlertOf("nonsense", ""), journal_, true));
  const auto context = TraceOf(AlertOf(kTrace, ""), journal_, true);
  ASSERT_TRUE(context);
  EXPECT_FALSE(context->sampled);
}

// An archived segment.
TEST_F(TraceOfAnAlert, IsNotSampledWithoutItsRecord) {
  Alert alert = AlertOf(kTrace, kRequest);
  alert.report = alert.report + 100;
  const auto context = TraceOf(alert, journal_, true);
  ASSERT_TRUE(context);
  EXPECT_FALSE(context->sampled);
}

TEST(SpanOfAnAttempt, SaysHowItEnded) {
  const TracedAttempt attempt{};
  const PendingDelivery delivery{.report = Offset(3), .attempts = 2};
  EXPECT_FALSE(ToSpan(attempt, delivery, "ward", net::ClientResponse{.status = 204}, 1).failed);
  EXPECT_TRUE(ToSpan(attempt, delivery, "ward", net::ClientResponse{.status = 404}, 1).failed);
  const auto cut =
      ToSpan(attempt, delivery, "ward", base::Fail(base::ErrorCode::kDeadline, "no answer"), 1);
  EXPECT_TRUE(cut.failed);
  EXPECT_EQ(cut.attributes.back().text, "deadline");
}

}  // namespace
}  // namespace weir::alerts

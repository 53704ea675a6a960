#include "alerts/retry.h"

#include <gtest/gtest.h>

#include "alerts/target_queue.h"

namespace weir::alerts {
namespace {

constexpr uint64_t kLargest = UINT64_MAX;
constexpr int64_t kMs = 1'000'000;

TEST(Judge, KnowsWhatWillNotBeBetterNextTime) {
  for (const int status : {200, 201, 204, 299}) EXPECT_EQ(Judge(status), Answer::kDelivered);
  for (const int status : {400, 401, 403, 404, 410, 422}) {
    EXPECT_EQ(Judge(status), Answer::kRejected);
  }
  for (const int status : {100, 301, 308, 408, 425, 429, 500, 502, 503, 504, 0}) {
    EXPECT_EQ(Judge(status), Answer::kRetry);
  }
}

class TargetQueueTest : public ::testing::Test {
 protected:
  static PendingDelivery Delivery(uint64_t report, bool urgent = true, int64_t due_ns = 0) {
    return {.report = base::Offset(report), .urgent = urgent, .due_ns = due_ns};
  }
  static PendingDelivery Tried(PendingDelivery delivery) {
    ++delivery.attempts;
    return delivery;
  }

  const RetryOptions options_{.min_ms = 1000, .max_ms = 60'000};
  TargetQueue queue_{options_, 4};
};

TEST_F(TargetQueueTest, UrgentAlertsComeBeforeThoseThatHaveWaitedLonger) {
  queue_.Add(Delivery(1, false, 0));
  queue_.Add(Delivery(2, true, 5));
  EXPECT_EQ(queue_.Take(10)->report, base::Offset(2));
  queue_.Answered();
  EXPECT_EQ(queue_.Take(10)->report, base::Offset(1));
}

TEST_F(TargetQueueTest, ATargetIsTriedWithOneUntilItAnswersAndThenWithItsBound) {
  for (uint64_t i = 0; i < 10; ++i) queue_.Add(Delivery(i));
  ASSERT_TRUE(queue_.Take(0).has_value());
  EXPECT_FALSE(queue_.Take(0).has_value());
  EXPECT_EQ(queue_.next_ns(), INT64_MAX);  // nothing may start before there is an answer
  queue_.Answered();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue_.Take(0).has_value());
  EXPECT_FALSE(queue_.Take(0).has_value());
}

TEST_F(TargetQueueTest, ATargetThatIsDownIsLeftAloneLongerAndLongerButNeverForLong) {
  for (uint64_t i = 0; i < 1000; ++i) queue_.Add(Delivery(i));
  int64_t now = 0;
  int attempts = 0;
  while (now < 600'000 * kMs) {
    const auto delivery = queue_.Take(now);
    ASSERT_TRUE(delivery.has_value());
    ++attempts;
    queue_.Failed(Tried(*delivery), true, std::nullopt, now, kLargest);
    now = std::max(now, queue_.next_ns());
    EXPECT_LE(now, 600'000 * kMs + 30'000 * kMs);
  }
  EXPECT_LE(attempts, 30);  // for a thousand that wait, in ten minutes
  ASSERT_TRUE(queue_.Take(now).has_value());
  queue_.Answered();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(queue_.Take(now).has_value());
}

TEST_F(TargetQueueTest, OneDeliveryThatFailsForEverKeepsNoOtherAway) {
  queue_.Add(Delivery(0));
  int64_t now = 0;
  for (int i = 0; i < 50; ++i) {
    auto poisonous = queue_.Take(now);
    ASSERT_TRUE(poisonous.has_value());
    poisonous->attempts = static_cast<uint32_t>(i + 1);
    queue_.Failed(*poisonous, false, std::nullopt, now, kLargest);
    now = queue_.next_ns();
  }
  queue_.Add(Delivery(1, true, now));
  EXPECT_EQ(queue_.next_ns(), now);
}

TEST_F(TargetQueueTest, RetryAfterHoldsForEverythingAndIsNotBelievedForDays) {
  queue_.Add(Delivery(0));
  queue_.Add(Delivery(1));
  queue_.Failed(Tried(*queue_.Take(0)), false, 5000, 0, 0);
  EXPECT_FALSE(queue_.Take(4999 * kMs).has_value());
  const auto next = queue_.Take(5000 * kMs);
  ASSERT_TRUE(next.has_value());
  queue_.Failed(Tried(*next), false, 1'000'000'000, 5000 * kMs, 0);
  EXPECT_EQ(queue_.next_ns(), 5000 * kMs + 3'600'000 * kMs);
}

}  // namespace
}  // namespace weir::alerts

#include "guard/retry_budget.h"

#include <gtest/gtest.h>

namespace weir::guard {
namespace {

TEST(RetryBudget, AddsATenthToTheLoadWhenEverythingFails) {
  RetryBudget budget;
  int retries = 0;
  for (int call = 0; call < 10'000; ++call) {
    budget.Called();
    while (budget.TryRetry()) ++retries;
  }
  EXPECT_EQ(retries, 1000);
}

TEST(RetryBudget, QuietTimesSaveOnlyAFewRetries) {
  RetryBudget budget;
  for (int call = 0; call < 1'000'000; ++call) budget.Called();
  int retries = 0;
  while (budget.TryRetry()) ++retries;
  EXPECT_EQ(retries, 10);
  for (int call = 0; call < 10; ++call) budget.Called();
  EXPECT_TRUE(budget.TryRetry()) << "it is earned again";
}

TEST(Backoff, GrowsToItsMaximumAndSpreadsOverAllOfIt) {
  constexpr double kLargest = 1 - 0x1p-53;
  EXPECT_EQ(BackoffMs(1, 100, 30'000, 0.5), 50);
  EXPECT_EQ(BackoffMs(1, 100, 30'000, kLargest), 99);
  EXPECT_EQ(BackoffMs(4, 100, 30'000, 0.5), 400);
  for (const uint32_t failures : {1000u, 4'000'000'000u}) {
    EXPECT_EQ(BackoffMs(failures, 100, 30'000, 0.5), 15'000);
    EXPECT_EQ(BackoffMs(failures, 100, 30'000, kLargest), 29'999);
    EXPECT_EQ(BackoffMs(failures, 100, 30'000, 0), 0);
    EXPECT_EQ(BackoffMs(failures, 0, 30'000, kLargest), 0);
  }
}

}  // namespace
}  // namespace weir::guard

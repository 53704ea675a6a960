#include "guard/token_buckets.h"

#include <gtest/gtest.h>

#include <random>

namespace weir::guard {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(TokenBuckets, GiveABurstAndThenTheRate) {
  TokenBuckets buckets({.per_second = 10, .burst = 3}, 100);
  for (int64_t left = 2; left >= 0; --left) {
    const auto taken = buckets.Take(7, 0);
    EXPECT_TRUE(taken.allowed);
    EXPECT_EQ(taken.remaining, left);
  }
  const auto refused = buckets.Take(7, 30 * kMs);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after_ns, 70 * kMs);
  EXPECT_EQ(refused.full_in_ns, 270 * kMs);
  EXPECT_TRUE(buckets.Take(8, 30 * kMs).allowed) << "another key has its own";
  EXPECT_FALSE(buckets.Take(7, 99 * kMs).allowed);
  EXPECT_TRUE(buckets.Take(7, 100 * kMs).allowed) << "who waits as told is served";
  EXPECT_FALSE(buckets.Take(7, 100 * kMs).allowed);
}

TEST(TokenBuckets, SteadyTimeThatLeapsFillsABucketAndNoMore) {
  TokenBuckets buckets({.per_second = 1, .burst = 2}, 1);
  EXPECT_TRUE(buckets.Take(1, INT64_MAX / 4).allowed);
  EXPECT_TRUE(buckets.Take(1, INT64_MAX / 2).allowed);
  EXPECT_TRUE(buckets.Take(1, INT64_MAX / 2).allowed);
  EXPECT_FALSE(buckets.Take(1, INT64_MAX / 2).allowed);
  EXPECT_FALSE(buckets.Take(1, INT64_MAX / 4).allowed);
}

// Whatever the number of keys, one that spends all it has is not forgotten for their sake.
TEST(TokenBuckets, AFloodOfKeysDoesNotFreeTheOneThatIsBeingHeld) {
  TokenBuckets buckets({.per_second = 1, .burst = 100}, 1024);
  std::mt19937_64 random(1);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(buckets.Take(42, 0).allowed);
  for (int i = 0; i < 1'000'000; ++i) EXPECT_TRUE(buckets.Take(random() | 1, 0).allowed);
  EXPECT_FALSE(buckets.Take(42, 0).allowed);
  EXPECT_TRUE(buckets.Take(42, 1000 * kMs).allowed) << "and gets its rate again";
}

}  // namespace
}  // namespace weir::guard

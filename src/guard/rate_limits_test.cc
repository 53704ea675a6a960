#include "guard/rate_limits.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace weir::guard {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

RateLimitOptions OfTokens(double per_second, int64_t burst) {
  RateLimitOptions options;
  options.rates[static_cast<size_t>(LimitKind::kToken)] = {per_second, burst};
  return options;
}

TEST(RateLimits, EachKeyOfAKindHasItsOwnBucket) {
  RateLimits limits(OfTokens(2, 3), 1);
  EXPECT_FALSE(limits.Limits(LimitKind::kAddress));
  ASSERT_TRUE(limits.Limits(LimitKind::kToken));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limits.Take(LimitKind::kToken, "a", 0).allowed);
  const auto refused = limits.Take(LimitKind::kToken, "a", 0);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.remaining, 0);
  EXPECT_EQ(refused.retry_after_ns, kSecond / 2);
  EXPECT_EQ(refused.rate.burst, 3);
  EXPECT_TRUE(limits.Take(LimitKind::kToken, "b", 0).allowed);
  EXPECT_TRUE(limits.Take(LimitKind::kToken, "a", kSecond / 2).allowed);
  EXPECT_EQ(limits.refused(LimitKind::kToken), 1u);
}

TEST(RateLimits, AChangedRateBeginsAnewAndAnotherKindIsUntouched) {
  RateLimitOptions options = OfTokens(1, 1);
  options.rates[static_cast<size_t>(LimitKind::kStudy)] = {1, 1};
  RateLimits limits(options, 1);
  EXPECT_TRUE(limits.Take(LimitKind::kToken, "a", 0).allowed);
  EXPECT_TRUE(limits.Take(LimitKind::kStudy, "a", 0).allowed);
  options.rates[static_cast<size_t>(LimitKind::kToken)] = {1, 2};
  limits.Configure(options);
  EXPECT_TRUE(limits.Take(LimitKind::kToken, "a", 0).allowed);
  EXPECT_FALSE(limits.Take(LimitKind::kStudy, "a", 0).allowed);
  options.rates = {};
  limits.Configure(options);
  EXPECT_FALSE(limits.Limits(LimitKind::kStudy));
  EXPECT_TRUE(limits.Take(LimitKind::kStudy, "a", 0).allowed) << "asked before it was switched off";
}

TEST(RateLimits, ManyKeysTakeNoMoreMemoryAndNoneIsRefusedForThem) {
  RateLimitOptions options = OfTokens(1000, 1000);
  options.keys_max = 1024;
  RateLimits limits(options, 1);
  for (int i = 0; i < 200'000; ++i) {
    ASSERT_TRUE(limits.Take(LimitKind::kToken, std::to_string(i), 0).allowed);
  }
}

TEST(RateLimits, LoopsTogetherGetTheBurstAndNoMore) {
  RateLimits limits(OfTokens(0.001, 1000), 1);
  std::atomic<int> allowed{0};
  std::vector<std::thread> loops;
  for (int i = 0; i < 4; ++i) {
    loops.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) allowed += limits.Take(LimitKind::kToken, "a", 0).allowed;
    });
  }
  for (std::thread& loop : loops) loop.join();
  EXPECT_EQ(allowed.load(), 1000);
}

}  // namespace
}  // namespace weir::guard

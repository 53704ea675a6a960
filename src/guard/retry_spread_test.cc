#include "guard/retry_spread.h"

#include <gtest/gtest.h>

namespace weir::guard {
namespace {

constexpr int64_t kMs = 1'000'000;

// `refused` and `admitted` a millisecond, for so long; the last answer.
int After(RetrySpread& spread, uint64_t admitted, uint64_t refused, int64_t from_ms, int64_t ms) {
  int seconds = 0;
  for (int64_t i = 1; i <= ms; ++i) {
    const auto count = static_cast<uint64_t>(from_ms + i);
    seconds = spread.Seconds(count * admitted, count * refused, (from_ms + i) * kMs);
  }
  return seconds;
}

TEST(RetrySpread, IsAsLongAsWhatIsAdmittedTakesToWorkOffWhatIsRefused) {
  for (const auto& [refused, seconds] : {std::pair{1, 2}, {3, 3}, {7, 7}, {50, 9}}) {
    RetrySpread spread;
    EXPECT_EQ(After(spread, 10, static_cast<uint64_t>(refused) * 10, 0, 300), seconds);
    EXPECT_EQ(After(spread, 10, static_cast<uint64_t>(refused) * 10, 300, 3'000), seconds);
  }
}

TEST(RetrySpread, IsLongWhereNothingIsAdmitted) {
  RetrySpread spread;
  EXPECT_EQ(After(spread, 0, 10, 0, 100), RetrySpread::kMostSeconds);
}

TEST(RetrySpread, ForgetsTheHerdOfBefore) {
  RetrySpread spread;
  EXPECT_EQ(After(spread, 1, 8, 0, 2'000), 8);
  EXPECT_EQ(spread.Seconds(2'000, 16'001, 5'000 * kMs), RetrySpread::kLeastSeconds);
}

}  // namespace
}  // namespace weir::guard

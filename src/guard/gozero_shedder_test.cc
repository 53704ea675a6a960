#include "guard/gozero_shedder.h"

#include <gtest/gtest.h>

namespace weir::guard {
namespace {

constexpr int64_t kMs = 1'000'000;

// Leaves `in_flight` requests open, with a mean that is nearly as many.
void Fill(GoZeroShedder& shedder, int in_flight, int64_t now_ns) {
  for (int i = 0; i < in_flight; ++i) ASSERT_TRUE(shedder.Allow(0, now_ns));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(shedder.Allow(0, now_ns));
    shedder.Failed();
  }
}

// 30 requests of 20 ms within one bucket: 30 × 20 × 10 / 1000 = 6 may be in flight.
void PassThirty(GoZeroShedder& shedder, int64_t now_ns) {
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(shedder.Allow(0, now_ns - 20 * kMs));
    shedder.Passed(now_ns - 20 * kMs, now_ns);
  }
}

TEST(GoZeroShedder, MaxFlightIsThroughputTimesDuration) {
  GoZeroShedder shedder(900, 0);
  EXPECT_DOUBLE_EQ(shedder.MaxFlight(0), 10) << "1 × 1000 × 10 / 1000, before anything has passed";
  PassThirty(shedder, 50 * kMs);
  EXPECT_DOUBLE_EQ(shedder.MaxFlight(99 * kMs), 10) << "the bucket being filled is left out";
  EXPECT_DOUBLE_EQ(shedder.MaxFlight(100 * kMs), 6);
  EXPECT_DOUBLE_EQ(shedder.MaxFlight(4999 * kMs), 6);
  EXPECT_DOUBLE_EQ(shedder.MaxFlight(5000 * kMs), 10) << "after 5 s it is forgotten";
}

TEST(GoZeroShedder, DurationsAreRoundedUpAndTheirMeanToTheNearest) {
  GoZeroShedder shedder(900, 0);
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(shedder.Allow(0, 0));
  for (int i = 0; i < 300; ++i) shedder.Passed(0, kMs + 1);  // 2 ms
  for (int i = 0; i < 100; ++i) shedder.Passed(0, 3 * kMs);  // 3 ms; the mean is 2.25
  EXPECT_DOUBLE_EQ(shedder.MaxFlight(100 * kMs), 400 * 2 * 10 / 1000.0);
}

TEST(GoZeroShedder, ShedsAboveMaxFlightWhileTheCpuIsAtItsThreshold) {
  GoZeroShedder shedder(900, 0);
  PassThirty(shedder, 50 * kMs);
  Fill(shedder, 7, 100 * kMs);
  EXPECT_TRUE(shedder.Allow(899, 100 * kMs));
  shedder.Failed();
  EXPECT_FALSE(shedder.Allow(900, 100 * kMs)) << "7 in flight are more than 6";
  shedder.Failed();
  EXPECT_TRUE(shedder.Allow(900, 100 * kMs)) << "6 are not";
}

TEST(GoZeroShedder, ShedsMoreTheNearerTheCpuIsToItsEndAndNeverBelowATenth) {
  for (const auto& [cpu, in_flight, allowed] :
       {std::tuple(950, 4, false), std::tuple(950, 3, true),       // 6 × 0.5
        std::tuple(1000, 1, false), std::tuple(1000, 0, true)}) {  // 6 × 0.1
    SCOPED_TRACE(cpu);
    SCOPED_TRACE(in_flight);
    GoZeroShedder shedder(900, 0);
    PassThirty(shedder, 50 * kMs);
    Fill(shedder, in_flight, 100 * kMs);
    EXPECT_EQ(shedder.Allow(cpu, 100 * kMs), allowed);
  }
}

TEST(GoZeroShedder, StaysHotForASecondAfterTheOverloadAndThenTakesEverything) {
  GoZeroShedder shedder(900, 0);
  PassThirty(shedder, 50 * kMs);
  Fill(shedder, 7, 100 * kMs);
  EXPECT_FALSE(shedder.Allow(900, 100 * kMs));
  EXPECT_FALSE(shedder.Allow(0, 1099 * kMs));
  EXPECT_TRUE(shedder.Allow(0, 1100 * kMs));
}

TEST(GoZeroShedder, AnOverloadThatShedNothingLeavesNothingHot) {
  GoZeroShedder shedder(900, 0);
  PassThirty(shedder, 50 * kMs);
  EXPECT_TRUE(shedder.Allow(1000, 100 * kMs));
  Fill(shedder, 7, 110 * kMs);
  EXPECT_TRUE(shedder.Allow(0, 120 * kMs));
}

}  // namespace
}  // namespace weir::guard

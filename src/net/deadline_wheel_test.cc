#include "net/deadline_wheel.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

namespace weir::net {
namespace {

constexpr int64_t kTick = DeadlineWheel::kTickNs;

struct Named final : DeadlineWheel::Entry {
  void OnDeadline(int64_t now_ns) override {
    met_ns = now_ns;
    if (then) then();
  }
  int64_t met_ns = -1;
  std::function<void()> then;
};

TEST(DeadlineWheel, MeetsEveryDeadlineWithinATickAndNeverEarly) {
  std::mt19937_64 random(1);
  int64_t now = 7 * kTick + 13;
  DeadlineWheel wheel(now);
  std::vector<Named> entries(2000);
  for (Named& entry : entries) {
    // Up to three turns of the wheel away.
    wheel.Set(entry, now + static_cast<int64_t>(random() % (3 * 1024 * kTick)));
  }
  std::vector<int64_t> deadlines;
  for (const Named& entry : entries) deadlines.push_back(entry.deadline_ns());
  while (wheel.NextNs() != DeadlineWheel::kNever) {
    now += static_cast<int64_t>(random() % (kTick / 2));
    wheel.Advance(now);
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_GE(entries[i].met_ns, deadlines[i]);
    EXPECT_LE(entries[i].met_ns, deadlines[i] + 2 * kTick);
  }
}

TEST(DeadlineWheel, FollowsDeadlinesThatMove) {
  int64_t now = 0;
  DeadlineWheel wheel(now);
  Named later, earlier, never, removed;
  for (Named* entry : {&later, &earlier, &never, &removed}) wheel.Set(*entry, 10 * kTick);
  wheel.Set(later, 30 * kTick);
  wheel.Set(earlier, 5 * kTick);
  wheel.Set(never, DeadlineWheel::kNever);
  wheel.Remove(removed);
  for (; now <= 40 * kTick; now += kTick) wheel.Advance(now);
  EXPECT_EQ(later.met_ns, 30 * kTick);
  EXPECT_EQ(earlier.met_ns, 5 * kTick);
  EXPECT_EQ(never.met_ns, -1);
  EXPECT_EQ(removed.met_ns, -1);
}

// A machine that slept, or a loop that was held up, meets what is overdue at once.
TEST(DeadlineWheel, CatchesUpAfterALongGap) {
  DeadlineWheel wheel(0);
  std::vector<Named> entries(100);
  for (size_t i = 0; i < entries.size(); ++i)
    wheel.Set(entries[i], static_cast<int64_t>(i) * 50 * kTick);
  Named future;
  wheel.Set(future, 1'000'000 * kTick);
  wheel.Advance(10'000 * kTick);
  for (const Named& entry : entries) EXPECT_EQ(entry.met_ns, 10'000 * kTick);
  EXPECT_EQ(future.met_ns, -1);
}

TEST(DeadlineWheel, SaysWhenItIsNextWorthLooking) {
  DeadlineWheel wheel(0);
  EXPECT_EQ(wheel.NextNs(), DeadlineWheel::kNever);
  Named soon, far;
  wheel.Set(far, 900 * kTick);
  EXPECT_EQ(wheel.NextNs(), 900 * kTick);
  wheel.Set(soon, 3 * kTick - 1);
  EXPECT_EQ(wheel.NextNs(), 3 * kTick);
}

// What expires may set itself or others anew, or remove them.
TEST(DeadlineWheel, MayBeChangedFromWithinAnExpiry) {
  DeadlineWheel wheel(0);
  Named first, second, third;
  for (Named* entry : {&first, &second, &third}) wheel.Set(*entry, kTick);
  first.then = [&] {
    wheel.Remove(second);
    wheel.Set(first, 5 * kTick);
  };
  EXPECT_TRUE(wheel.Advance(kTick));
  EXPECT_EQ(first.met_ns, kTick);
  EXPECT_EQ(second.met_ns, -1);
  EXPECT_EQ(third.met_ns, kTick);
  EXPECT_FALSE(wheel.Advance(4 * kTick));
  EXPECT_TRUE(wheel.Advance(5 * kTick));
  EXPECT_EQ(first.met_ns, 5 * kTick);
}

}  // namespace
}  // namespace weir::net

#include "net/server/deadline_wheel.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace weir::net {
namespace {

constexpr int64_t kTick = DeadlineWheel::kTickNs;

struct Named : DeadlineWheel::Entry {
  int64_t met_ns = -1;
};

void AdvanceTo(DeadlineWheel& wheel, int64_t now_ns) {
  wheel.Advance(now_ns, [now_ns](DeadlineWheel::Entry& entry) {
    static_cast<Named&>(entry).met_ns = now_ns;
  });
}

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
    AdvanceTo(wheel, now);
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
  for (; now <= 40 * kTick; now += kTick) AdvanceTo(wheel, now);
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
  AdvanceTo(wheel, 10'000 * kTick);
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
  int calls = 0;
  const auto expire = [&](DeadlineWheel::Entry& entry) {
    if (++calls > 1) return;
    EXPECT_EQ(&entry, &first);
    wheel.Remove(second);
    wheel.Set(first, 5 * kTick);
  };
  wheel.Advance(kTick, expire);
  EXPECT_EQ(calls, 2);  // first and third
  wheel.Advance(5 * kTick, expire);
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace weir::net

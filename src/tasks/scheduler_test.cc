#include "tasks/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

TEST(Scheduler, TasksAtTheSameCursorShareALane) {
  const auto lanes = MakeLanes(
      std::vector<Runnable>{{0, Offset(50)}, {1, Offset(10)}, {2, Offset(50)}}, Offset(100));
  ASSERT_EQ(lanes.size(), 2u);
  EXPECT_EQ(lanes[0].limit, Offset(50)) << "reads up to where the others stand";
  EXPECT_THAT(lanes[1].tasks, ElementsAre(0, 2));
  EXPECT_EQ(lanes[1].limit, Offset(100));
}

TEST(Scheduler, LanesThatAreNearWaitForTheOneBehind) {
  const auto near =
      MakeLanes(std::vector<Runnable>{{0, Offset(90)}, {1, Offset(100)}}, Offset(1000));
  EXPECT_THAT(Order(near, 0, 20), ElementsAre(0));
  EXPECT_THAT(Order(near, 1, 20), ElementsAre(0));
  EXPECT_THAT(Order(near, 1, 5), ElementsAre(1, 0)) << "far apart they take turns";
  EXPECT_THAT(Order(near, 2, 5), ElementsAre(0, 1));
}

TEST(Scheduler, WindowsGrowAndShrinkWithTheTimeTheyTake) {
  WindowSize size(4000, 40'000'000);
  for (int i = 0; i < 20; ++i) size.Applied(size.records(), int64_t(size.records()) * 400'000);
  EXPECT_NEAR(double(size.records()), 100, 5);
  for (int i = 0; i < 20; ++i) size.Applied(size.records(), int64_t(size.records()) * 1'000);
  EXPECT_EQ(size.records(), 4000u);
  size.Applied(3, 1'000'000'000);
  EXPECT_EQ(size.records(), 4000u) << "a few records say little";
}

}  // namespace
}  // namespace weir::tasks

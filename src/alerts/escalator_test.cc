#include "alerts/escalator.h"

#include <gmock/gmock.h>

#include <memory>
#include <random>

#include "alerts/acknowledge.h"
#include "alerts/alerts_test_support.h"

namespace weir::alerts {
namespace {

using journal::Outcome;

constexpr int64_t kAfterMs = 900'000;

class EscalatorTest : public ::testing::Test {
 protected:
  void SetUp() override { Restart(); }
  void Restart(EscalationOptions options = {.after_ms = kAfterMs}) {
    escalator_ = std::make_unique<Escalator>(options, journal_, clock_, observe::Log::None());
    Turn();
  }
  void Turn() { ASSERT_TRUE(escalator_->Turn(*reader_, true).has_value()); }
  void Raise(uint64_t offset, Level level = Level::kUrgent) {
    committer_.Commit([&] {
      committer_.Raise({.offset = offset, .level = level, .received_ms = clock_.WallMs()});
    });
    Turn();
  }
  void Pass(int64_t ms) {
    clock_.Advance(ms);
    Turn();
    lane_.Run();
  }
  State StateOf(uint64_t offset) {
    return Get(committer_.writer(), StudyScope::All(), Offset(offset))->state;
  }
  size_t Escalations() { return journal_.Controls(Offset(0), 1'000'000)->size(); }

  MovableClock clock_;
  StoreOnDisk store_;
  KeyedJournal journal_;
  Committer committer_{*store_, Routing(), clock_};
  ControlLane lane_{journal_, committer_};
  std::unique_ptr<store::Connection> reader_ = std::move(*store_->OpenReader());
  std::unique_ptr<Escalator> escalator_;
};

TEST_F(EscalatorTest, EscalatesAnUrgentAlertWhenItsTimeHasPassedAndNotBefore) {
  Raise(1);
  Raise(2, Level::kElevated);
  Pass(kAfterMs - 1);
  EXPECT_EQ(StateOf(1), State::kOpen);
  Pass(1);
  EXPECT_EQ(StateOf(1), State::kEscalated);
  EXPECT_EQ(StateOf(2), State::kOpen);
  Pass(10 * kAfterMs);
  EXPECT_EQ(Escalations(), 1u);
}

TEST_F(EscalatorTest, AnAcknowledgedAlertIsNotEscalated) {
  Raise(1);
  Pass(kAfterMs - 1);
  ASSERT_TRUE(Acknowledge(journal_, *reader_, clock_,
                          {StudyScope::All(), "a-1", "dr-who", "called the patient"}));
  lane_.Run();
  Pass(kAfterMs);
  EXPECT_EQ(StateOf(1), State::kAcknowledged);
  EXPECT_EQ(escalator_->escalated(), 0u);
}

// Wall clocks are set by people and by NTP: an alert neither escalates at once nor is put off.
TEST_F(EscalatorTest, AWallClockThatJumpsChangesNothing) {
  for (const int64_t jump : {int64_t{86'400'000}, int64_t{-86'400'000}}) {
    SCOPED_TRACE(jump);
    const uint64_t offset = jump > 0 ? 1 : 2;
    Raise(offset);
    clock_.JumpWall(jump);
    Pass(kAfterMs - 1);
    EXPECT_EQ(StateOf(offset), State::kOpen);
    Pass(1);
    EXPECT_EQ(StateOf(offset), State::kEscalated);
  }
  EXPECT_EQ(Escalations(), 2u);
}

TEST_F(EscalatorTest, TheTimeBeforeARestartCounts) {
  Raise(1);
  Pass(kAfterMs - 1000);
  Restart();
  Pass(999);
  EXPECT_EQ(StateOf(1), State::kOpen);
  Pass(1);
  EXPECT_EQ(StateOf(1), State::kEscalated);
}

// Restarts, jumps and crashes before the store knows: once each, and none is lost.
TEST_F(EscalatorTest, EscalatesEachOnceWhateverHappens) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    const uint64_t first = 1 + seed * 100;
    uint64_t offset = first;
    for (int step = 0; step < 100; ++step) {
      switch (random() % 6) {
        case 0:
          if (offset < first + 20) Raise(offset++);
          break;
        case 1:
          clock_.JumpWall(static_cast<int64_t>(random() % 7'200'000) - 3'600'000);
          break;
        case 2:
          Restart();  // what was journalled may not be applied yet
          break;
        case 3:
          lane_.Run();
          break;
        default:
          clock_.Advance(random() % 300'000);
          Turn();
      }
    }
    for (int i = 0; i < 10; ++i) Pass(kAfterMs);
    for (uint64_t at = first; at < offset; ++at) EXPECT_EQ(StateOf(at), State::kEscalated);
  }
  EXPECT_EQ(Escalations(), Rows(*reader_, "SELECT 1 FROM alerts", 1).size());
}

TEST_F(EscalatorTest, ManyOldAlertsAreCaughtUpWithAtABoundedPace) {
  for (uint64_t i = 0; i < 50; ++i) Raise(i);
  clock_.Advance(10 * kAfterMs);
  Restart({.after_ms = kAfterMs, .per_second_max = 20});
  EXPECT_EQ(Escalations(), 20u);
  EXPECT_LE(escalator_->next_ns(), clock_.SteadyNs() + 1'000'000'000);
  Pass(999);
  EXPECT_EQ(Escalations(), 20u);
  Pass(1);
  EXPECT_EQ(Escalations(), 40u);
  Pass(1000);
  EXPECT_EQ(Escalations(), 50u);
}

// A herd's urgent answers fall due together.
TEST_F(EscalatorTest, TwoHundredThatFallDueTogetherEscalateTogether) {
  for (uint64_t i = 0; i < 200; ++i) Raise(i);
  Pass(kAfterMs);
  EXPECT_EQ(Escalations(), 200u);
}

TEST_F(EscalatorTest, MoreThanItTracksAreEscalatedAllTheSame) {
  for (uint64_t i = 0; i < 50; ++i) Raise(i);
  Restart({.after_ms = kAfterMs, .per_second_max = 1000, .tracked_max = 8});
  for (uint64_t i = 50; i < 60; ++i) Raise(i);
  for (int i = 0; i < 20; ++i) Pass(kAfterMs);
  EXPECT_EQ(Escalations(), 60u);
}

TEST_F(EscalatorTest, WaitsForSpaceInTheJournal) {
  Raise(1);
  journal_.Refuse(Outcome::kNoSpace);
  Pass(kAfterMs);
  Pass(1000);
  EXPECT_EQ(StateOf(1), State::kOpen);
  journal_.Refuse(std::nullopt);
  Pass(1000);
  EXPECT_EQ(StateOf(1), State::kEscalated);
  journal_.Refuse(Outcome::kStopped);
  Raise(2);
  clock_.Advance(kAfterMs);
  EXPECT_EQ(escalator_->Turn(*reader_, false).error().code, base::ErrorCode::kStopped);
}

TEST_F(EscalatorTest, ZeroMeansNever) {
  Restart({.after_ms = 0});
  Raise(1);
  Pass(100 * kAfterMs);
  EXPECT_EQ(Escalations(), 0u);
  EXPECT_EQ(escalator_->next_ns(), INT64_MAX);
}

}  // namespace
}  // namespace weir::alerts

#include "net/unanswered.h"

#include <gmock/gmock.h>

#include <string>

namespace weir::net {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kTick = DeadlineWheel::kTickNs;

struct Question {
  int64_t deadline_ns = 0;
  std::string text;
};

class UnansweredTest : public ::testing::Test {
 protected:
  std::vector<std::string> LateAt(int64_t now_ns) {
    late.clear();
    wheel.Advance(now_ns);
    return late;
  }

  DeadlineWheel wheel{0};
  std::vector<std::string> late;
  std::function<void()> then = [] {};
  Unanswered<Question> waiting{wheel, [this](const Question& question) {
                                 late.push_back(question.text);
                                 then();
                               }};
};

TEST_F(UnansweredTest, IsTakenOnceByItsName) {
  const uint64_t first = waiting.Add({10 * kTick, "first"});
  const uint64_t second = waiting.Add({10 * kTick, "second"});
  EXPECT_EQ(waiting.Find(first)->text, "first");
  EXPECT_EQ(waiting.Take(first)->text, "first");
  EXPECT_EQ(waiting.Find(first), nullptr);
  const uint64_t third = waiting.Add({10 * kTick, "third"});  // in the place of the first
  EXPECT_FALSE(waiting.Take(first));
  EXPECT_EQ(waiting.Take(third)->text, "third");
  EXPECT_EQ(waiting.Take(second)->text, "second");
  EXPECT_THAT(LateAt(20 * kTick), IsEmpty());
}

TEST_F(UnansweredTest, IsLateAtItsDeadlineAndTakenThen) {
  const uint64_t slow = waiting.Add({30 * kTick, "slow"});
  const uint64_t quick = waiting.Add({10 * kTick, "quick"});
  const uint64_t patient = waiting.Add({DeadlineWheel::kNever, "patient"});
  EXPECT_THAT(LateAt(9 * kTick), IsEmpty());
  EXPECT_THAT(LateAt(10 * kTick), ElementsAre("quick"));
  EXPECT_FALSE(waiting.Take(quick));
  EXPECT_THAT(LateAt(30 * kTick), ElementsAre("slow"));
  EXPECT_FALSE(waiting.Take(slow));
  EXPECT_EQ(wheel.NextNs(), DeadlineWheel::kNever);
  EXPECT_TRUE(waiting.Take(patient));
}

// A busy loop, whose requests are answered in time, looks once per time allowed, not per request.
TEST_F(UnansweredTest, WakesTheLoopOnlyWhenTheFirstIsDue) {
  waiting.Take(waiting.Add({10 * kTick, "answered"}));
  waiting.Add({15 * kTick, "open"});
  EXPECT_EQ(wheel.NextNs(), 10 * kTick);
  EXPECT_THAT(LateAt(10 * kTick), IsEmpty());
  EXPECT_EQ(wheel.NextNs(), 15 * kTick);
}

// To tell a batch of one late line lets it read the next.
TEST_F(UnansweredTest, MayGrowWhileItTellsOfWhatIsLate) {
  waiting.Add({kTick, "a"});
  waiting.Add({kTick, "b"});
  then = [this] {
    for (int i = 0; i < 100; ++i) waiting.Add({3 * kTick, "later"});
    then = [] {};
  };
  EXPECT_THAT(LateAt(kTick), ElementsAre("a", "b"));
  EXPECT_EQ(wheel.NextNs(), 3 * kTick);
  EXPECT_EQ(LateAt(3 * kTick).size(), 100u);
}

}  // namespace
}  // namespace weir::net

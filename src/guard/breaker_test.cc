#include "guard/breaker.h"

#include <gtest/gtest.h>

#include <queue>
#include <random>
#include <vector>

namespace weir::guard {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1'000 * kMs;

TEST(GoogleBreaker, RejectsWithTheProbabilityOfItsFormula) {
  EXPECT_NEAR(GoogleRejection(1000, 500, 10, 0), 0.2947, 0.00005);
  EXPECT_NEAR(GoogleRejection(1000, 200, 0, 10), 0.5207, 0.00005);
  EXPECT_NEAR(GoogleRejection(6, 0, 1, 0), 0.1429, 0.00005);
  EXPECT_EQ(GoogleRejection(5, 0, 1, 0), 0);
}

TEST(BreakerOutcome, OnlyWhatShowsATroubledDependencyIsAFailure) {
  EXPECT_EQ(ClassifyHttp(CallEnd::kTimedOut, 0), Outcome::kFailure);
  EXPECT_EQ(ClassifyHttp(CallEnd::kNotConnected, 0), Outcome::kFailure);
  EXPECT_EQ(ClassifyHttp(CallEnd::kAnswered, 503), Outcome::kFailure);
  EXPECT_EQ(ClassifyHttp(CallEnd::kAnswered, 429), Outcome::kFailure);
  EXPECT_EQ(ClassifyHttp(CallEnd::kAnswered, 409), Outcome::kSuccess);
  EXPECT_EQ(ClassifyHttp(CallEnd::kAnswered, 404), Outcome::kSuccess);
  EXPECT_EQ(ClassifyHttp(CallEnd::kCancelled, 0), Outcome::kIgnored);
}

// A laboratory at 50 calls/s, whose endpoint answers in 20 ms, and from second 20 to second 80 lets
// 80 % of calls run into their time-out of 500 ms.
class Laboratory {
 public:
  explicit Laboratory(BreakerMode mode, uint64_t seed)
      : breaker_({.mode = mode}, 0), random_(seed) {}

  static constexpr int kFaultFrom = 20;
  static constexpr int kFaultTo = 80;

  // Calls that went out, of the 50 of each second.
  std::vector<int> Run(int seconds) {
    std::vector<int> out(seconds);
    for (int64_t call = 0; call < int64_t{50} * seconds; ++call) {
      const int64_t now_ns = call * 20 * kMs;
      EndCalls(now_ns);
      const auto permit = breaker_.Allow(now_ns, Draw());
      if (!permit) continue;
      const int64_t second = now_ns / kSecond;
      ++out[second];
      const bool fails = second >= kFaultFrom && second < kFaultTo && Draw() < 0.8;
      running_.push(
          {.end_ns = now_ns + (fails ? 500 : 15) * kMs, .permit = *permit, .failed = fails});
    }
    return out;
  }

 private:
  struct Call {
    int64_t end_ns;
    Breaker::Permit permit;
    bool failed;
    bool operator<(const Call& other) const { return end_ns > other.end_ns; }
  };

  double Draw() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  void EndCalls(int64_t now_ns) {
    while (!running_.empty() && running_.top().end_ns <= now_ns) {
      const Call call = running_.top();
      running_.pop();
      breaker_.Ended(call.permit, call.failed ? Outcome::kFailure : Outcome::kSuccess, 0,
                     call.end_ns);
    }
  }

  Breaker breaker_;
  std::mt19937_64 random_;
  std::priority_queue<Call> running_;
};

TEST(StatesBreaker, HoldsALaboratoryOffWithinThreeSecondsAndLetsItBackWithinFive) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    const auto out = Laboratory(BreakerMode::kStates, seed).Run(100);
    for (int second = 0; second < Laboratory::kFaultFrom; ++second) EXPECT_EQ(out[second], 50);
    for (int second = Laboratory::kFaultFrom + 3; second < Laboratory::kFaultTo; ++second) {
      EXPECT_LT(out[second], 25) << second;
    }
    for (int second = Laboratory::kFaultTo + 5; second < 100; ++second) {
      EXPECT_EQ(out[second], 50) << second;
    }
  }
}

// The first second, counted from `from`, in which `holds` and after which it goes on holding.
template <typename Holds>
int Settled(const std::vector<double>& out, int from, int to, Holds holds) {
  int last = from;
  for (int second = from; second < to; ++second) {
    if (!holds(out[second])) last = second + 1;
  }
  return last - from;
}

TEST(GoogleBreaker, TakesTheEightAndTenSecondsOfItsFormula) {
  constexpr int kRuns = 200;
  std::vector<double> mean(100);
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    const auto out = Laboratory(BreakerMode::kGoogle, seed).Run(100);
    for (size_t second = 0; second < out.size(); ++second)
      mean[second] += out[second] / double{kRuns};
  }
  const int held = Settled(mean, Laboratory::kFaultFrom, Laboratory::kFaultTo,
                           [](double calls) { return calls < 25; });
  const int back =
      Settled(mean, Laboratory::kFaultTo, 100, [](double calls) { return calls >= 49.5; });
  EXPECT_GE(held, 7);
  EXPECT_LE(held, 9);
  EXPECT_GE(back, 9);
  EXPECT_LE(back, 11);
}

void EndAll(Breaker& breaker, int calls, Outcome outcome, int64_t now_ns) {
  for (int i = 0; i < calls; ++i) {
    const auto permit = breaker.Allow(now_ns, 0.5);
    if (permit) breaker.Ended(*permit, outcome, 0, now_ns);
  }
}

TEST(StatesBreaker, ProbesAfterItsPauseAndClosesWhenAllOfThemSucceed) {
  Breaker breaker({}, 0);
  EndAll(breaker, 20, Outcome::kFailure, kMs);
  EXPECT_EQ(breaker.state(kMs), BreakerState::kOpen);
  EXPECT_FALSE(breaker.Allow(1999 * kMs, 0.5));
  const int64_t later_ns = kMs + 2 * kSecond;
  const auto probe = breaker.Allow(later_ns, 0.5);
  ASSERT_TRUE(probe);
  EXPECT_EQ(breaker.state(later_ns), BreakerState::kHalfOpen);
  for (int i = 1; i < 10; ++i) EXPECT_TRUE(breaker.Allow(later_ns, 0.5));
  EXPECT_FALSE(breaker.Allow(later_ns, 0.5)) << "no more than the probes go out";
  for (int i = 0; i < 10; ++i) breaker.Ended(*probe, Outcome::kSuccess, 0, later_ns);
  EXPECT_EQ(breaker.state(later_ns), BreakerState::kClosed);
  EXPECT_TRUE(breaker.Allow(later_ns, 0.5));
}

TEST(StatesBreaker, ProbesThatNeverEndAreReplaced) {
  Breaker breaker({}, 0);
  EndAll(breaker, 20, Outcome::kFailure, 0);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(breaker.Allow(3 * kSecond, 0.5));
  EXPECT_FALSE(breaker.Allow(32 * kSecond, 0.5));
  EndAll(breaker, 10, Outcome::kSuccess, 33 * kSecond);
  EXPECT_EQ(breaker.state(33 * kSecond), BreakerState::kClosed);
}

TEST(StatesBreaker, CountsSlowAnswersWhereConfiguredAndCancelledCallsNever) {
  Breaker breaker({.slow_ns = kSecond}, 0);
  EndAll(breaker, 100, Outcome::kIgnored, 0);
  EXPECT_EQ(breaker.state(0), BreakerState::kClosed);
  for (int i = 0; i < 20; ++i) {
    const auto permit = breaker.Allow(0, 0.5);
    ASSERT_TRUE(permit);
    breaker.Ended(*permit, Outcome::kSuccess, kSecond, 0);
  }
  EXPECT_EQ(breaker.state(0), BreakerState::kOpen);
}

TEST(StatesBreaker, DoesWhatAnOperatorOrdersUntilTheOrderIsTakenBack) {
  Breaker breaker({}, 0);
  breaker.Force(Forced::kOpen);
  EXPECT_FALSE(breaker.Allow(0, 0.5));
  EXPECT_EQ(Name(breaker.state(0)), "open");
  breaker.Force(Forced::kNone);
  EndAll(breaker, 20, Outcome::kFailure, 0);
  breaker.Force(Forced::kClosed);
  EXPECT_TRUE(breaker.Allow(0, 0.5));
  breaker.Force(Forced::kNone);
  EXPECT_FALSE(breaker.Allow(0, 0.5));
}

TEST(StatesBreaker, SteadyTimeThatSeemsToGoBackOrLeapsChangesNothing) {
  Breaker breaker({}, 100 * kSecond);
  EndAll(breaker, 19, Outcome::kFailure, 50 * kSecond);
  EXPECT_EQ(breaker.state(50 * kSecond), BreakerState::kClosed);
  EndAll(breaker, 1, Outcome::kFailure, 1'000'000 * kSecond);
  EXPECT_EQ(breaker.state(1'000'000 * kSecond), BreakerState::kClosed) << "the window has passed";
  EndAll(breaker, 19, Outcome::kFailure, 1'000'000 * kSecond);
  EXPECT_EQ(breaker.state(1'000'000 * kSecond), BreakerState::kOpen);
}

}  // namespace
}  // namespace weir::guard

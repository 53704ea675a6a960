#include "guard/breakers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace weir::guard {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kMs = 1'000'000;

BreakersOptions Quick() { return {.breaker = {.calls_min = 4, .open_ns = 100 * kMs, .probes = 2}}; }

void Fail(Dependency& dependency, int calls, int64_t now_ns) {
  for (int i = 0; i < calls; ++i) {
    if (const auto permit = dependency.Allow(now_ns, 0)) {
      dependency.Ended(*permit, Outcome::kFailure, now_ns);
    }
  }
}

TEST(Breakers, TellEachChangeOnceAndListWhatTheyAre) {
  std::vector<std::string> told;
  Breakers breakers(Quick(), [&](const BreakerStatus& status) {
    told.push_back(status.name + " " + std::string(Name(status.state)));
  });
  Dependency& ward = breakers.Of("webhook:ward", 0);
  Dependency& otlp = breakers.Of("otlp", 0);
  EXPECT_EQ(&breakers.Of("webhook:ward", 0), &ward);
  Fail(ward, 6, kMs);
  EXPECT_FALSE(ward.Allow(50 * kMs, 0));
  EXPECT_TRUE(otlp.Allow(50 * kMs, 0)) << "another dependency is another matter";
  EXPECT_EQ(ward.RetryNs(50 * kMs), 101 * kMs);
  for (int i = 0; i < 2; ++i) {
    const auto probe = ward.Allow(101 * kMs, 0);
    ASSERT_TRUE(probe);
    ward.Ended(*probe, Outcome::kSuccess, 102 * kMs);
  }
  EXPECT_THAT(told,
              ElementsAre("webhook:ward open", "webhook:ward half-open", "webhook:ward closed"));
  const auto list = breakers.List(103 * kMs);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].name, "otlp");
  const BreakerStatus& status = list[1];
  EXPECT_EQ(status.state, BreakerState::kClosed);
  EXPECT_EQ(status.since_ns, 102 * kMs);
  EXPECT_EQ(status.opened, 1u);
  EXPECT_EQ(status.rejected, 3u);
  EXPECT_EQ(status.failed, 4u);
  EXPECT_EQ(status.succeeded, 2u);
}

TEST(Breakers, AnOrderHoldsUntilItIsTakenBackAlsoOverAReload) {
  Breakers breakers(Quick());
  Dependency& ward = breakers.Of("webhook:ward", 0);
  EXPECT_TRUE(breakers.Force("webhook:ward", Forced::kOpen, 0));
  EXPECT_FALSE(breakers.Force("webhook:none", Forced::kOpen, 0));
  EXPECT_FALSE(ward.Allow(1, 0));
  BreakersOptions options = Quick();
  options.breaker.mode = BreakerMode::kGoogle;
  options.on = false;
  breakers.Configure(options, 2);
  EXPECT_FALSE(ward.Allow(3, 0)) << "an order holds where breakers are off, too";
  breakers.Force("webhook:ward", Forced::kNone, 4);
  EXPECT_TRUE(ward.Allow(5, 0));
}

TEST(Breakers, APermitOfBeforeAReloadSaysNothing) {
  Breakers breakers(Quick());
  Dependency& ward = breakers.Of("webhook:ward", 0);
  std::vector<Dependency::Permit> permits;
  for (int i = 0; i < 10; ++i) permits.push_back(*ward.Allow(0, 0));
  BreakersOptions options = Quick();
  options.breaker.calls_min = 5;
  breakers.Configure(options, 1);
  for (const auto& permit : permits) ward.Ended(permit, Outcome::kFailure, 2);
  EXPECT_EQ(ward.status(3).state, BreakerState::kClosed);
}

TEST(Breakers, SwitchedOffTheyHoldNothingBack) {
  Breakers breakers({.on = false, .breaker = Quick().breaker});
  Dependency& ward = breakers.Of("webhook:ward", 0);
  Fail(ward, 100, 1);
  EXPECT_TRUE(ward.Allow(2, 0));
  EXPECT_EQ(ward.status(2).state, BreakerState::kClosed);
}

TEST(Breakers, ThereIsABoundToTheirNumber) {
  Breakers breakers(Quick());
  for (size_t i = 0; i < 2 * Breakers::kDependenciesMax; ++i) {
    breakers.Of("webhook:" + std::to_string(i), 0).Allow(0, 0);
  }
  EXPECT_EQ(breakers.List(0).size(), Breakers::kDependenciesMax);
}

TEST(Breakers, MayBeUsedByManyThreads) {
  Breakers breakers(Quick());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&breakers, i] {
      Dependency& ward = breakers.Of("webhook:ward", 0);
      for (int64_t now_ns = 0; now_ns < 10'000; ++now_ns) {
        if (const auto permit = ward.Allow(now_ns * kMs, 0.5)) {
          ward.Ended(*permit, i % 2 ? Outcome::kFailure : Outcome::kSuccess, now_ns * kMs);
        }
        if (now_ns % 1000 == 0) breakers.List(now_ns * kMs);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const BreakerStatus status = breakers.List(0)[0];
  EXPECT_EQ(status.rejected + status.succeeded + status.failed, 40'000u);
}

}  // namespace
}  // namespace weir::guard

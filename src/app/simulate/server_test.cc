#include "app/simulate/server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

namespace weir::app {
namespace {

using guard::Criticality;

constexpr int64_t kMs = 1'000'000;

// Calls a second by what they are worth.
using Mix = std::map<Criticality, int64_t>;

// Appends that much, evenly, from second `from` until second `to`.
void Offer(std::vector<TraceCall>& trace, const Mix& mix, int64_t from, int64_t to,
           int64_t service_ms = 0) {
  for (int64_t at_ms = from * 1000; at_ms < to * 1000; ++at_ms) {
    for (const auto& [of, rate] : mix) {
      const int64_t count = (at_ms + 1) * rate / 1000 - at_ms * rate / 1000;
      trace.insert(trace.end(), static_cast<size_t>(count),
                   {.at_ms = at_ms, .service_ms = service_ms, .of = of});
    }
  }
}

int64_t Refused(const ServedSecond& second, Criticality of) {
  return second.by_class[static_cast<size_t>(of)].refused;
}

double RefusedShare(const std::vector<ServedSecond>& seconds, size_t from, Criticality of) {
  double offered = 0, refused = 0;
  for (size_t i = from; i < seconds.size(); ++i) {
    offered += static_cast<double>(seconds[i].by_class[static_cast<size_t>(of)].offered);
    refused += static_cast<double>(Refused(seconds[i], of));
  }
  return refused / offered;
}

// Syncs of 20 ms for 256 records: 12,800 a second.
constexpr ServerModel kSlowDisk = {.sync_ns = 20 * kMs, .sync_records = 256};
constexpr int64_t kDiskRate = 12'800;
Mix Reports(int64_t rate) {
  return {{Criticality::kUrgent, rate / 100}, {Criticality::kReport, rate - rate / 100}};
}

TEST(SimulatedServer, ADiskOfferedFourTimesItsRateIsHeldAtItsRate) {
  std::vector<TraceCall> trace;
  Offer(trace, Reports(kDiskRate * 8 / 10), 0, 5);
  Offer(trace, Reports(kDiskRate * 4), 5, 25);
  Offer(trace, Reports(kDiskRate * 8 / 10), 25, 30);
  const auto seconds = Serve(trace, kSlowDisk);
  ASSERT_EQ(seconds.size(), 30u);
  int64_t low = INT64_MAX, high = 0;
  for (size_t i = 0; i < seconds.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "second " << i);
    const ServedSecond& second = seconds[i];
    EXPECT_EQ(Refused(second, Criticality::kUrgent), 0);
    if (i < 5 || i >= 27) {
      EXPECT_EQ(second.all().refused, 0);
      EXPECT_EQ(second.limit_high, 0);
    } else if (i < 25) {
      EXPECT_GT(second.all().refused, 0) << "seen within the first second";
      EXPECT_GE(second.answered, kDiskRate * 9 / 10);
      EXPECT_LE(second.answered, kDiskRate);
    }
    if (i < 7 || i >= 25) continue;
    EXPECT_LE(second.wait_p99_ns, 3 * seconds[4].wait_p99_ns);
    low = std::min(low, second.limit_low);
    high = std::max(high, second.limit_high);
  }
  EXPECT_GT(low, 0);
  EXPECT_LE(high - low, high / 5) << "the limit swings between " << low << " and " << high;
}

// One that takes 10,000 calls a second, and refuses at nearly no cost.
constexpr ServerModel kSlowProcessor = {.cost_ns = 100'000, .refusal_ns = 1'000};
constexpr int64_t kProcessorRate = 10'000;
constexpr std::array<Criticality, guard::kCriticalities> kLastFirst = {
    Criticality::kExport, Criticality::kRead, Criticality::kMetric, Criticality::kReport,
    Criticality::kUrgent};
Mix AllClasses(int64_t rate) {
  return {{Criticality::kUrgent, rate / 50},
          {Criticality::kReport, rate * 4 / 50},
          {Criticality::kMetric, rate * 10 / 50},
          {Criticality::kRead, rate * 15 / 50},
          {Criticality::kExport, rate * 20 / 50}};
}

TEST(SimulatedServer, AProcessorThatIsOfferedTooMuchShedsTheLastClassFirst) {
  struct Case {
    int64_t percent;     // of what it can take
    Criticality partly;  // the class that is shed in part
  };
  for (const Case& expected : {Case{130, Criticality::kExport}, Case{250, Criticality::kRead},
                               Case{400, Criticality::kMetric}}) {
    SCOPED_TRACE(expected.percent);
    std::vector<TraceCall> trace;
    Offer(trace, AllClasses(kProcessorRate * 8 / 10), 0, 5);
    Offer(trace, AllClasses(kProcessorRate * expected.percent / 100), 5, 25);
    const auto seconds = Serve(trace, kSlowProcessor);
    ASSERT_EQ(seconds.size(), 25u);
    int64_t low = INT64_MAX, high = 0;
    for (size_t i = 0; i < seconds.size(); ++i) {
      EXPECT_EQ(Refused(seconds[i], Criticality::kUrgent), 0) << "second " << i;
      EXPECT_EQ(seconds[i].all().refused > 0, i >= 5) << "second " << i;
      if (i < 10) continue;
      EXPECT_GE(seconds[i].answered, kProcessorRate * 9 / 10) << "second " << i;
      const auto all = seconds[i].all();
      low = std::min(low, all.offered - all.refused);
      high = std::max(high, all.offered - all.refused);
    }
    EXPECT_LE(high - low, high / 5) << "between " << low << " and " << high << " are let in";
    for (const Criticality of : kLastFirst) {
      const double share = RefusedShare(seconds, 10, of);
      const double least = of > expected.partly ? 0.99 : of == expected.partly ? 0.05 : 0;
      const double most = of > expected.partly ? 1 : of == expected.partly ? 0.99 : 0.01;
      EXPECT_GE(share, least) << guard::Name(of);
      EXPECT_LE(share, most) << guard::Name(of);
    }
  }
}

TEST(SimulatedServer, NothingIsShedWhileFourFifthsAreOffered) {
  std::vector<TraceCall> to_disk, to_processor;
  Offer(to_disk, Reports(kDiskRate * 8 / 10), 0, 60);
  Offer(to_processor, AllClasses(kProcessorRate * 8 / 10), 0, 60);
  for (const auto& seconds : {Serve(to_disk, kSlowDisk), Serve(to_processor, kSlowProcessor)}) {
    for (const ServedSecond& second : seconds) ASSERT_EQ(second.all().refused, 0);
    EXPECT_LE(seconds.back().wait_p99_ns, 50 * kMs);
  }
}

// The trace says that a sync takes three seconds, and then a millisecond again.
TEST(SimulatedServer, ADiskThatStandsStillIsNotWaitedForByAllAndServesAgain) {
  std::vector<TraceCall> trace;
  Offer(trace, Reports(5'000), 0, 15);
  std::ranges::find(trace, 5'000, &TraceCall::at_ms)->sync_ms = 3'000;
  std::ranges::find(trace, 5'010, &TraceCall::at_ms)->sync_ms = 1;
  const auto seconds = Serve(trace, {});
  for (const ServedSecond& second : seconds) {
    EXPECT_EQ(Refused(second, Criticality::kUrgent), 0);
  }
  EXPECT_EQ(seconds[4].all().refused, 0);
  EXPECT_EQ(seconds[6].answered, 0);
  EXPECT_GT(seconds[6].all().refused, 4'500) << "half a second's reports wait, and the urgent";
  for (size_t i = 10; i < seconds.size(); ++i) {
    EXPECT_EQ(seconds[i].all().refused, 0) << "second " << i;
    EXPECT_EQ(seconds[i].answered, 5'000) << "second " << i;
  }
}

TEST(SimulatedServer, WhatTakesLongIsInFlightSoLong) {
  std::vector<TraceCall> trace;
  Offer(trace, {{Criticality::kRead, 100}}, 0, 3, 1'000);
  trace.insert(trace.end(), 60, {.at_ms = 3'000, .service_ms = 1, .of = Criticality::kUrgent});
  const auto all = Serve(trace, {.gate = {.in_flight_max = 101}});
  EXPECT_EQ(all[3].all().refused, 60 - 26) << "what is urgent may exceed the bound by a quarter";
  const auto half = Serve(trace, {.gate = {.in_flight_max = 50}});
  EXPECT_EQ(Refused(half[0], Criticality::kRead), 50);
  EXPECT_EQ(half[1].answered, 50);
}

TEST(SimulatedServer, ACpuThatTheTraceCallsHotMakesItLessPatient) {
  std::vector<TraceCall> trace;
  Offer(trace, {{Criticality::kRead, kProcessorRate * 2}}, 0, 20);
  const auto wait = [&](int32_t cpu) {
    trace.front().cpu = cpu;
    return Serve(trace, kSlowProcessor).back().wait_p99_ns;
  };
  EXPECT_LT(wait(1000), wait(100) * 2 / 3);
}

TEST(SimulatedServer, TheSameTraceGivesTheSameSeconds) {
  std::vector<TraceCall> trace;
  Offer(trace, AllClasses(kProcessorRate * 2), 0, 5);
  const auto refused = [&](uint64_t seed) {
    ServerModel model = kSlowProcessor;
    model.seed = seed;
    std::vector<int64_t> refused;
    for (const ServedSecond& second : Serve(trace, model)) refused.push_back(second.all().refused);
    return refused;
  };
  EXPECT_EQ(refused(1), refused(1));
  EXPECT_NE(refused(1), refused(2));
}

}  // namespace
}  // namespace weir::app

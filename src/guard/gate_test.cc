#include "guard/gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

namespace weir::guard {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1'000 * kMs;

// A disk that syncs at most `batch_max` records together and takes `sync_ns` for it.
class Disk {
 public:
  Disk(int64_t sync_ns, int64_t batch_max) : sync_ns_(sync_ns), batch_max_(batch_max) {}

  struct Waiting {
    int64_t since_ns;
    uint32_t token;
  };
  void Add(Waiting record) { waiting_.push_back(record); }
  // Each record that is durable by then, told as soon as it is.
  template <class Told>
  void Until(int64_t now_ns, Gate& gate, Told told) {
    while (true) {
      if (syncing_.empty()) {
        if (waiting_.empty()) return;
        const auto count = std::min<int64_t>(batch_max_, static_cast<int64_t>(waiting_.size()));
        syncing_.assign(waiting_.begin(), waiting_.begin() + count);
        waiting_.erase(waiting_.begin(), waiting_.begin() + count);
        took_ns_ = sync_ns_;
        done_ns_ = std::max(done_ns_, syncing_.back().since_ns) + took_ns_;
      }
      if (done_ns_ > now_ns) return;
      for (const Waiting& record : syncing_) {
        gate.Unqueued();
        gate.Left(record.token, record.since_ns, false, done_ns_);
        told(done_ns_ - record.since_ns, record);
      }
      busy_ns_ += took_ns_;
      gate.Served({.records = static_cast<int64_t>(syncing_.size()),
                   .service_ns = took_ns_,
                   .waited_ns = done_ns_ - syncing_.front().since_ns,
                   .busy_ns = busy_ns_},
                  done_ns_);
      syncing_.clear();
    }
  }
  void set_sync_ns(int64_t sync_ns) { sync_ns_ = sync_ns; }

 private:
  int64_t sync_ns_;
  const int64_t batch_max_;
  std::deque<Waiting> waiting_;
  std::vector<Waiting> syncing_;
  int64_t took_ns_ = 0;
  int64_t busy_ns_ = 0;
  int64_t done_ns_ = 0;
};

int64_t Quantile(std::vector<int64_t>& values, double q) {
  if (values.empty()) return 0;
  const auto at =
      values.begin() + static_cast<ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

struct Outcome {
  int64_t offered = 0, served = 0, urgent_shed = 0;
  std::vector<int64_t> waits_ns;
  std::vector<int64_t> limits;  // each 10 ms of the last ten seconds, while there is one
};

// `rate` reports a second, evenly; each hundredth urgent.
Outcome Offer(Gate& gate, Disk& disk, double rate, int64_t from_ns, int64_t for_ns) {
  Outcome outcome;
  const auto gap_ns = static_cast<int64_t>(1e9 / rate);
  int64_t look_ns = from_ns;
  for (int64_t now_ns = from_ns; now_ns < from_ns + for_ns; now_ns += gap_ns) {
    disk.Until(now_ns, gate, [&](int64_t wait_ns, const Disk::Waiting&) {
      ++outcome.served;
      outcome.waits_ns.push_back(wait_ns);
    });
    if (now_ns >= look_ns) {
      look_ns += 10 * kMs;
      const int64_t limit = gate.stats().queue_limit.load();
      if (limit > 0 && now_ns > from_ns + for_ns - 10 * kSecond) outcome.limits.push_back(limit);
    }
    const bool urgent = outcome.offered++ % 100 == 0;
    const Gate::Entry entry = gate.EnterReport(urgent, 1, now_ns);
    if (!entry.admitted) {
      outcome.urgent_shed += urgent;
      continue;
    }
    gate.Queued();
    disk.Add({now_ns, entry.token});
  }
  return outcome;
}

TEST(Gate, ADiskOfferedFourTimesItsRateServesItAllAndInTime) {
  Crowd crowd(1);
  Gate gate({}, crowd, 0, 1, 0);
  Disk disk(20 * kMs, 256);  // 12,800 a second
  Outcome normal = Offer(gate, disk, 0.8 * 12'800, 0, 10 * kSecond);
  EXPECT_EQ(gate.stats().shed[1].count[3].load(), 0u) << "nothing is shed below capacity";
  Outcome overload = Offer(gate, disk, 4 * 12'800, 10 * kSecond, 60 * kSecond);
  EXPECT_GE(overload.served, 60 * 12'800 * 9 / 10);
  EXPECT_EQ(overload.urgent_shed, 0);
  EXPECT_LE(Quantile(overload.waits_ns, 0.99), 3 * Quantile(normal.waits_ns, 0.99));
  ASSERT_FALSE(overload.limits.empty());
  const auto [low, high] = std::ranges::minmax(overload.limits);
  EXPECT_LE(high - low, high / 5) << "the limit swings between " << low << " and " << high;
  Outcome after = Offer(gate, disk, 0.8 * 12'800, 70 * kSecond, 2 * kSecond);
  after = Offer(gate, disk, 0.8 * 12'800, 72 * kSecond, 5 * kSecond);
  EXPECT_EQ(gate.stats().queue_limit.load(), 0);
  EXPECT_LE(Quantile(after.waits_ns, 0.99), Quantile(normal.waits_ns, 0.99) * 11 / 10);
}

TEST(Gate, AnOverloadOfTheDiskIsSeenWithinASecond) {
  Crowd crowd(1);
  Gate gate({}, crowd, 0, 1, 0);
  Disk disk(20 * kMs, 256);
  Offer(gate, disk, 5'000, 0, 5 * kSecond);
  Offer(gate, disk, 2 * 12'800, 5 * kSecond, kSecond);
  EXPECT_GT(gate.stats().shed[1].count[3].load(), 0u);
}

TEST(Gate, ADiskThatStandsStillIsNotWaitedForByAll) {
  Crowd crowd(1);
  Gate gate({}, crowd, 0, 1, 0);
  Disk disk(kMs, 1 << 20);
  Offer(gate, disk, 10'000, 0, 5 * kSecond);
  disk.set_sync_ns(3 * kSecond);
  const Outcome stalled = Offer(gate, disk, 10'000, 5 * kSecond, 3 * kSecond);
  const int64_t waiting = crowd.queueing();
  EXPECT_LE(waiting, 8'000) << "half a second's, and the urgent";
  EXPECT_EQ(stalled.urgent_shed, 0);
  disk.set_sync_ns(kMs);
  Offer(gate, disk, 10'000, 8 * kSecond, 6 * kSecond);
  const uint64_t shed = gate.stats().shed[1].count[3].load();
  Outcome after = Offer(gate, disk, 10'000, 14 * kSecond, 5 * kSecond);
  EXPECT_EQ(gate.stats().shed[1].count[3].load(), shed);
  EXPECT_LE(Quantile(after.waits_ns, 0.99), 5 * kMs);
}

TEST(Gate, OneStallOfTheDiskShedsNothing) {
  Crowd crowd(1);
  Gate gate({}, crowd, 0, 1, 0);
  Disk disk(kMs, 1 << 20);
  Offer(gate, disk, 10'000, 0, 2 * kSecond);
  disk.set_sync_ns(300 * kMs);
  Offer(gate, disk, 10'000, 2 * kSecond, 10 * kMs);
  disk.set_sync_ns(kMs);
  Offer(gate, disk, 10'000, 2 * kSecond + 10 * kMs, 2 * kSecond);
  EXPECT_EQ(gate.stats().shed[1].count[3].load(), 0u);
}

// The processors are the limit, not the disk: records wait for 40 ms, and it is idle for most of
// it.
TEST(Gate, ADiskThatIsNotBusyLimitsNothing) {
  Crowd crowd(1);
  Gate gate({}, crowd, 0, 1, 0);
  for (int i = 0; i < 2'000; ++i) gate.Queued();
  for (int64_t now_ns = 0; now_ns < 5 * kSecond; now_ns += 2 * kMs) {
    gate.Served({.records = 100, .service_ns = kMs, .waited_ns = 40 * kMs, .busy_ns = now_ns / 2},
                now_ns);
    ASSERT_EQ(gate.stats().queue_limit.load(), 0);
  }
}

TEST(Gate, AStudysHerdDoesNotStarveAnother) {
  Crowd crowd(1);
  Gate gate({}, crowd, 0, 1, 0);
  Disk disk(20 * kMs, 256);
  struct Result {
    std::vector<int64_t> waits_ns;
    int64_t sent = 0, shed = 0, others_shed = 0;
  };
  // One of a hundred is of the small study.
  const auto offer = [&](double rate, int64_t from_ns, int64_t for_ns) {
    Result small;
    const auto gap_ns = static_cast<int64_t>(1e9 / rate);
    int i = 0;
    for (int64_t now_ns = from_ns; now_ns < from_ns + for_ns; now_ns += gap_ns, ++i) {
      disk.Until(now_ns, gate, [&](int64_t wait_ns, const Disk::Waiting& record) {
        if (record.token >> 8 == 2) small.waits_ns.push_back(wait_ns);
      });
      const bool of_small = i % 100 == 0;
      const Gate::Entry entry = gate.EnterReport(false, of_small ? 2 : 1, now_ns);
      small.sent += of_small;
      if (entry.admitted) {
        gate.Queued();
        disk.Add({now_ns, entry.token});
      } else {
        ++(of_small ? small.shed : small.others_shed);
      }
    }
    return small;
  };
  Result normal = offer(0.8 * 12'800, 0, 10 * kSecond);
  Result herd = offer(4 * 12'800, 10 * kSecond, 20 * kSecond);
  EXPECT_GT(herd.others_shed, 500'000);
  // A seventh of a second: until the queue that had grown before it was seen has drained.
  EXPECT_LE(herd.shed, herd.sent / 100);
  EXPECT_LE(Quantile(herd.waits_ns, 0.99), 2 * Quantile(normal.waits_ns, 0.99));
}

// A processor that takes one request after the other: `cost_ns` for one that is let in, and
// `refusal_ns` for one that is shed. A wait is told each 10 ms.
struct Processor {
  int64_t cost_ns;
  int64_t refusal_ns;
  int64_t free_ns = 0;
  int64_t told_ns = 0;

  struct Result {
    int64_t admitted = 0, shed = 0;
    std::vector<int64_t> waits_ns;
    std::vector<int64_t> admitted_by_second;
  };
  Result Offer(Gate& gate, const std::vector<Criticality>& mix, double rate, int64_t from_ns,
               int64_t for_ns) {
    Result result;
    const auto gap_ns = static_cast<int64_t>(1e9 / rate);
    size_t i = 0;
    for (int64_t now_ns = from_ns; now_ns < from_ns + for_ns; now_ns += gap_ns, ++i) {
      const int64_t begin_ns = std::max(free_ns, now_ns);
      if (begin_ns - told_ns >= 10 * kMs) {
        told_ns = begin_ns;
        gate.Lag(begin_ns - now_ns, begin_ns);
      }
      const Criticality of = mix[i % mix.size()];
      const Gate::Entry entry = gate.Enter(of, begin_ns);
      free_ns = begin_ns + (entry.admitted ? cost_ns : refusal_ns);
      const auto second = static_cast<size_t>((now_ns - from_ns) / kSecond);
      if (result.admitted_by_second.size() <= second) result.admitted_by_second.resize(second + 1);
      if (entry.admitted) {
        ++result.admitted;
        ++result.admitted_by_second[second];
        result.waits_ns.push_back(begin_ns - now_ns);
        gate.Left(entry.token, begin_ns, false, free_ns);
      } else {
        ++result.shed;
      }
    }
    return result;
  }
};

TEST(Gate, ReadsThatTheProcessorsCannotTakeAreRefusedAndTheRestIsQuick) {
  for (const double load : {1.1, 1.3, 2.0, 4.0}) {
    for (const int64_t refusal_ns : {1'000, 2'500, 4'000}) {
      const double possible = (10'000 - static_cast<double>(refusal_ns) * load) /
                              static_cast<double>(10'000 - refusal_ns);
      if (possible < 0.2) continue;  // more than it could even refuse
      SCOPED_TRACE(testing::Message() << load << " × the load, a refusal takes " << refusal_ns);
      Crowd crowd(1);
      Gate gate({}, crowd, 0, 1, 0);
      gate.Cpu(1000);
      Processor processor{.cost_ns = 10'000, .refusal_ns = refusal_ns};
      processor.Offer(gate, {Criticality::kRead}, 80'000, 0, 5 * kSecond);
      EXPECT_EQ(gate.stats().shed[3].count[2].load(), 0u);
      auto first =
          processor.Offer(gate, {Criticality::kRead}, load * 100'000, 5 * kSecond, kSecond);
      EXPECT_GT(first.shed, 0) << "seen within a second";
      processor.Offer(gate, {Criticality::kRead}, load * 100'000, 6 * kSecond, 4 * kSecond);
      auto steady =
          processor.Offer(gate, {Criticality::kRead}, load * 100'000, 10 * kSecond, 20 * kSecond);
      EXPECT_GE(static_cast<double>(steady.admitted), 0.95 * possible * 20 * 100'000);
      EXPECT_LE(Quantile(steady.waits_ns, 0.99), 15 * kMs);
      const auto [low, high] = std::ranges::minmax(steady.admitted_by_second);
      EXPECT_LE(high - low, high / 5) << low << " to " << high << " a second";
      processor.Offer(gate, {Criticality::kRead}, 50'000, 30 * kSecond, 2 * kSecond);
      const auto after = processor.Offer(gate, {Criticality::kRead}, 50'000, 32 * kSecond, kSecond);
      EXPECT_EQ(after.shed, 0);
    }
  }
}

TEST(Gate, ReportsWaitInTheirSocketsUntilThatTakesHalfASecond) {
  Crowd crowd(1);
  Gate gate({}, crowd, 0, 1, 0);
  gate.Cpu(1000);
  Processor processor{.cost_ns = 10'000, .refusal_ns = 5'000};
  // 4,000 clients in a circle wait 40 ms each, and nothing would be gained by refusing them.
  for (int64_t now_ns = 0; now_ns < 20 * kSecond; now_ns += 10 * kMs) gate.Lag(40 * kMs, now_ns);
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(gate.Enter(Criticality::kReport, 20 * kSecond).admitted);
  }
  EXPECT_GT(gate.stats().shed_share.load(), 0.9) << "what is less critical is refused";
  const std::vector<Criticality> reports = {Criticality::kReport};
  processor.Offer(gate, reports, 130'000, 20 * kSecond, 10 * kSecond);
  auto steady = processor.Offer(gate, reports, 130'000, 30 * kSecond, 20 * kSecond);
  EXPECT_GE(static_cast<double>(steady.admitted), 0.95 * 0.7 * 20 * 100'000);
  EXPECT_LE(Quantile(steady.waits_ns, 0.99), 700 * kMs);
}

TEST(Gate, ShedsFromTheLeastCriticalUp) {
  const std::vector<Criticality> mix = {Criticality::kUrgent, Criticality::kReport,
                                        Criticality::kMetric, Criticality::kRead,
                                        Criticality::kExport};
  Crowd crowd(1);
  Gate gate({}, crowd, 0, 1, 0);
  gate.Cpu(1000);
  Processor processor{.cost_ns = 10'000, .refusal_ns = 100};
  // Two fifths too much: the exports, and nearly all of the reads.
  processor.Offer(gate, mix, 100'000 / 0.62, 0, 5 * kSecond);
  struct Counts {
    uint64_t shed, admitted;
  };
  const auto counts = [&](Criticality of) -> Counts {
    const auto i = static_cast<size_t>(of);
    return {gate.stats().shed[i].count[2].load(), gate.stats().admitted[i].load()};
  };
  std::vector<Counts> before;
  for (const Criticality of : mix) before.push_back(counts(of));
  processor.Offer(gate, mix, 100'000 / 0.62, 5 * kSecond, 20 * kSecond);
  std::vector<double> shares;
  for (size_t i = 0; i < mix.size(); ++i) {
    const auto shed = static_cast<double>(counts(mix[i]).shed - before[i].shed);
    shares.push_back(shed /
                     (shed + static_cast<double>(counts(mix[i]).admitted - before[i].admitted)));
  }
  EXPECT_EQ(counts(Criticality::kUrgent).shed, 0u) << "from the first moment";
  EXPECT_EQ(counts(Criticality::kReport).shed, 0u);
  EXPECT_LT(shares[2], 0.01);
  EXPECT_GT(shares[3], 0.8);
  EXPECT_GT(shares[4], 0.99);
}

TEST(Gate, TheBoundsHoldForAllLoopsTogether) {
  Crowd crowd(2);
  Gate one({.in_flight_max = 10, .queueing_max = 4}, crowd, 0, 1, 0);
  Gate other({.in_flight_max = 10, .queueing_max = 4}, crowd, 1, 2, 0);
  std::vector<uint32_t> tokens;
  for (int i = 0; i < 9; ++i) {
    const auto entry = one.Enter(Criticality::kRead, 0);
    ASSERT_TRUE(entry.admitted);
    tokens.push_back(entry.token);
  }
  ASSERT_TRUE(other.Enter(Criticality::kRead, 0).admitted);
  EXPECT_FALSE(other.Enter(Criticality::kReport, 0).admitted);
  const auto refused = one.Enter(Criticality::kReport, 0);
  EXPECT_FALSE(refused.admitted);
  EXPECT_EQ(refused.reason, Reason::kConcurrency);
  EXPECT_TRUE(other.Enter(Criticality::kUrgent, 0).admitted) << "has a reserve";
  one.Left(tokens[0], 0, false, 0);
  one.Left(tokens[1], 0, false, 0);
  EXPECT_TRUE(one.Enter(Criticality::kReport, 0).admitted);
  for (int i = 0; i < 4; ++i) one.Queued();
  for (int i = 0; i < 3; ++i) one.Left(tokens[2 + static_cast<size_t>(i)], 0, false, 0);
  EXPECT_EQ(other.EnterReport(false, 1, 0).reason, Reason::kQueueing);
  EXPECT_FALSE(one.EnterLine(false));
  EXPECT_TRUE(one.EnterLine(true));
  one.Unqueued();
  EXPECT_TRUE(other.EnterReport(false, 1, 0).admitted);
}

TEST(Gate, ADryRunCountsAndLetsEverythingIn) {
  Crowd crowd(1);
  Gate gate({.dry_run = true}, crowd, 0, 1, 0);
  gate.Cpu(1000);
  Processor processor{.cost_ns = 10'000, .refusal_ns = 1'000};
  const auto result = processor.Offer(gate, {Criticality::kRead}, 130'000, 0, 2 * kSecond);
  EXPECT_EQ(result.shed, 0);
  EXPECT_GT(gate.stats().would_shed[3].count[2].load(), 0u);
  EXPECT_EQ(gate.stats().shed[3].count[2].load(), 0u);
}

TEST(Gate, GoZerosModeIsGoZerosShedder) {
  Crowd crowd(1);
  Gate gate({.mode = ShedderMode::kGoZero}, crowd, 0, 1, 0);
  std::vector<uint32_t> tokens;
  for (int i = 0; i < 100; ++i) {
    const auto entry = gate.Enter(Criticality::kReport, 0);
    ASSERT_TRUE(entry.admitted);
    tokens.push_back(entry.token);
  }
  for (int i = 0; i < 50; ++i) gate.Left(tokens[static_cast<size_t>(i)], 0, false, 20 * kMs);
  // Its average of the CPU keeps 0.95 of what it was, in whole thousandths: 11.75 s of 1000 are
  // 900.
  int looks = 0;
  while (gate.Enter(Criticality::kReport, 300 * kMs).admitted) {
    gate.Cpu(1000);
    ASSERT_LT(++looks, 100);
  }
  EXPECT_EQ(looks, 47);
  EXPECT_TRUE(gate.Enter(Criticality::kUrgent, 300 * kMs).admitted);
  // Another mode while requests are in flight, and back: what was counted before is left out.
  gate.Configure({.mode = ShedderMode::kOff});
  EXPECT_TRUE(gate.Enter(Criticality::kReport, 300 * kMs).admitted);
  gate.Configure({.mode = ShedderMode::kGoZero});
  for (int i = 50; i < 100; ++i) gate.Left(tokens[static_cast<size_t>(i)], 0, false, 400 * kMs);
  EXPECT_TRUE(gate.Enter(Criticality::kReport, 500 * kMs).admitted);
}

TEST(Gate, AHerdThatIsRefusedComesBackSpreadByItsSize) {
  Crowd crowd(1);
  Gate gate({.mode = ShedderMode::kOff, .in_flight_max = 100}, crowd, 0, 1, 0);
  std::array<int, 12> at{};
  for (int i = 0; i < 700; ++i) {
    if (gate.EnterReport(false, 1, kMs).admitted) continue;
    ++at.at(static_cast<size_t>(gate.RetryAfterSeconds(Criticality::kReport, kMs)));
  }
  EXPECT_EQ(at[0], 0);
  for (size_t second = 1; second <= 7; ++second) EXPECT_GT(at[second], 5) << second;
  EXPECT_EQ(at[8] + at[9] + at[10] + at[11], 0) << "600 refused, 100 admitted: 1 to 7 s";
  EXPECT_LE(gate.RetryAfterSeconds(Criticality::kRead, kMs), 3) << "none of these was refused";
}

}  // namespace
}  // namespace weir::guard

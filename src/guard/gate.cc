#include "guard/gate.h"

#include <algorithm>

namespace weir::guard {
namespace {

constexpr int64_t kMsNs = 1'000'000;
constexpr int64_t kCpuAll = 1000;
// A wait that is too long: less is borne where the processors are the limit, for then nothing but
// shedding shortens it, while a stall ends by itself.
constexpr int64_t kLagTargetHotNs = 5 * kMsNs;
constexpr int64_t kLagTargetNs = 20 * kMsNs;
constexpr int64_t kLagTargetOfAllNs = 500 * kMsNs;
// What is urgent may exceed the bounds by this part of them.
constexpr int64_t kUrgentReserve = 4;
constexpr unsigned kLooksAlike = 16;
// core/stat/usage.go: β of the average, which go-zero keeps in whole thousandths.
constexpr double kGoZeroCpuKept = 0.95;
constexpr double kGoZeroCpuNew = 0.05;

template <class T>
void Bump(std::atomic<T>& counter, T by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

Rank RankOf(Criticality of) {
  switch (of) {
    case Criticality::kUrgent:
      return Rank::kUrgent;
    case Criticality::kReport:
      return Rank::kReport;
    case Criticality::kMetric:
      return Rank::kMetric;
    case Criticality::kRead:
      return Rank::kRead;
    case Criticality::kExport:
      break;
  }
  return Rank::kExport;
}

}  // namespace

std::string_view Name(Reason reason) {
  constexpr std::array<std::string_view, kReasons> kNames = {"concurrency", "queueing", "delay",
                                                             "disk", "cpu"};
  return kNames[static_cast<size_t>(reason)];
}

int64_t Crowd::Sum(std::atomic<int64_t> Own::*count) const {
  int64_t sum = 0;
  for (unsigned i = 0; i < loops_; ++i) sum += (own_[i].*count).load(std::memory_order_relaxed);
  return sum;
}

Gate::Gate(const GateOptions& options, Crowd& crowd, unsigned loop, uint64_t seed, int64_t now_ns)
    : options_(options),
      crowd_(crowd),
      own_(crowd.own(loop)),
      delay_(Rank::kMetric, now_ns),
      delay_of_all_(Rank::kSmallStudy, now_ns),
      queue_(now_ns),
      random_(seed | 1) {
  Configure(options);
}

void Gate::Configure(const GateOptions& options) {
  options_ = options;
  const bool wanted = options.mode == ShedderMode::kGoZero && cpu_counts();
  // One that is in use keeps its count of what is in flight.
  if (wanted && (!gozero_ || gozero_->cpu_threshold() != options.cpu_threshold)) {
    gozero_ = std::make_unique<GoZeroShedder>(options.cpu_threshold, 0);
    gozero_generation_ = (gozero_generation_ + 1) % kGenerations;
  }
  if (!wanted) gozero_.reset();
}

bool Gate::cpu_counts() const {
  return options_.cpu_threshold > 0 && options_.cpu_threshold < kCpuAll;
}

bool Gate::cpu_is_hot() const { return cpu_counts() && cpu_ >= options_.cpu_threshold; }

// Where the bound is far away, other loops' counts are looked at now and then: they lie in other
// processors' caches.
bool Gate::Crowded(std::atomic<int64_t> Crowd::Own::*count, Others& others, int64_t max,
                   bool urgent) {
  if (urgent) max += max / kUrgentReserve;
  const int64_t own = (own_.*count).load(std::memory_order_relaxed);
  if (others.looks++ % kLooksAlike == 0 || (own + others.count) * 2 >= max) {
    others.count = (count == &Crowd::Own::in_flight ? crowd_.in_flight() : crowd_.queueing()) - own;
  }
  return own + others.count >= max;
}

bool Gate::Shed(Criticality of, Reason reason) {
  const bool bound = reason == Reason::kConcurrency || reason == Reason::kQueueing;
  const bool counted_only = options_.dry_run && !bound;
  auto& counts = counted_only ? stats_.would_shed : stats_.shed;
  Bump(counts[static_cast<size_t>(of)].count[static_cast<size_t>(reason)]);
  return !counted_only;
}

Gate::Entry Gate::Decide(Criticality of, Rank rank, uint32_t token, int64_t now_ns) {
  const bool urgent = of == Criticality::kUrgent;
  if (urgent) token |= kIsUrgent;
  if (Crowded(&Crowd::Own::in_flight, others_in_flight_, options_.in_flight_max, urgent)) {
    Shed(of, Reason::kConcurrency);
    return {.reason = Reason::kConcurrency};
  }
  if (gozero_) {
    if (gozero_->Allow(gozero_cpu_, now_ns)) {
      token |= kCounted | gozero_generation_ << kGenerationShift;
    } else if (!urgent && Shed(of, Reason::kCpu)) {
      return {.reason = Reason::kCpu};
    }
  }
  if (options_.mode == ShedderMode::kAuto) {
    const double draw = Draw();
    // Each counts what arrives.
    const bool allowed = delay_.Allow(rank, draw);
    if (!(delay_of_all_.Allow(rank, draw) && allowed) && Shed(of, Reason::kDelay)) {
      return {.reason = Reason::kDelay};
    }
  }
  Bump<int64_t>(own_.in_flight);
  Bump<uint64_t>(stats_.admitted[static_cast<size_t>(of)]);
  return {.admitted = true, .token = token};
}

Gate::Entry Gate::Enter(Criticality of, int64_t now_ns) {
  return Decide(of, RankOf(of), kEntered, now_ns);
}

Gate::Entry Gate::EnterReport(bool urgent, uint64_t study, int64_t now_ns) {
  const Criticality of = urgent ? Criticality::kUrgent : Criticality::kReport;
  const uint32_t cell = FairShare::CellOf(study);
  const bool small = !urgent && studies_.Below(cell);
  if (Crowded(&Crowd::Own::queueing, others_queueing_, options_.queueing_max, urgent)) {
    Shed(of, Reason::kQueueing);
    return {.reason = Reason::kQueueing};
  }
  if (options_.mode == ShedderMode::kAuto && !urgent) {
    int64_t waiting = own_.queueing.load(std::memory_order_relaxed);
    if (small) waiting -= waiting / kUrgentReserve;
    if (!queue_.Allow(waiting, now_ns) && Shed(of, Reason::kDisk)) {
      return {.reason = Reason::kDisk};
    }
  }
  const Rank rank = urgent ? Rank::kUrgent : small ? Rank::kSmallStudy : Rank::kReport;
  const Entry entry = Decide(of, rank, kEntered | kHasCell | cell << kCellShift, now_ns);
  if (entry.admitted) studies_.Enter(cell);
  return entry;
}

bool Gate::EnterLine(bool urgent) {
  const Criticality of = urgent ? Criticality::kUrgent : Criticality::kReport;
  if (Crowded(&Crowd::Own::queueing, others_queueing_, options_.queueing_max, urgent)) {
    Shed(of, Reason::kQueueing);
    return false;
  }
  Bump<uint64_t>(stats_.admitted[static_cast<size_t>(of)]);
  return true;
}

void Gate::Queued() { Bump<int64_t>(own_.queueing); }
void Gate::Unqueued() { Bump<int64_t>(own_.queueing, -1); }

void Gate::Left(uint32_t token, int64_t entered_ns, bool failed, int64_t now_ns) {
  Bump<int64_t>(own_.in_flight, -1);
  if (token & kHasCell) studies_.Leave(token >> kCellShift);
  if (!(token & kCounted) || !gozero_) return;
  if ((token >> kGenerationShift) % kGenerations != gozero_generation_) return;
  if (failed) {
    gozero_->Failed();
  } else {
    gozero_->Passed(entered_ns, now_ns);
  }
}

void Gate::Lag(int64_t lag_ns, int64_t now_ns) {
  delay_.Measured(lag_ns, cpu_is_hot() ? kLagTargetHotNs : kLagTargetNs, now_ns);
  delay_of_all_.Measured(lag_ns, kLagTargetOfAllNs, now_ns);
  stats_.lag_ns.store(lag_ns, std::memory_order_relaxed);
  stats_.shed_share.store(std::max(delay_.share(), delay_of_all_.share()),
                          std::memory_order_relaxed);
}

void Gate::Served(QueueLimit::Batch batch, int64_t now_ns) {
  batch.behind = own_.queueing.load(std::memory_order_relaxed);
  queue_.Served(batch, now_ns);
  stats_.queue_limit.store(queue_.limit() == QueueLimit::kNone ? 0 : queue_.limit(),
                           std::memory_order_relaxed);
}

void Gate::Cpu(int64_t thousandths) {
  cpu_ = thousandths;
  gozero_cpu_ = static_cast<int64_t>(static_cast<double>(gozero_cpu_) * kGoZeroCpuKept +
                                     static_cast<double>(thousandths) * kGoZeroCpuNew);
}

int Gate::RetryAfterSeconds(Criticality of, int64_t now_ns) {
  const auto index = static_cast<size_t>(of);
  uint64_t refused = 0;
  for (const auto& count : stats_.shed[index].count) {
    refused += count.load(std::memory_order_relaxed);
  }
  const uint64_t admitted = stats_.admitted[index].load(std::memory_order_relaxed);
  const int spread = spreads_[index].Seconds(admitted, refused, now_ns);
  return 1 + static_cast<int>(Draw() * (spread + 1));
}

// xorshift64*.
uint64_t Gate::Random() {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return random_ * 0x2545f4914f6cdd1d;
}

}  // namespace weir::guard

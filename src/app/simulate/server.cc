#include "app/simulate/server.h"

#include <algorithm>
#include <deque>
#include <queue>

namespace weir::app {
namespace {

constexpr int64_t kMsNs = 1'000'000;
constexpr int64_t kSecondNs = 1'000 * kMsNs;
constexpr int64_t kNever = INT64_MAX;
// As net::Loop and Governance do.
constexpr int64_t kProbeNs = 10 * kMsNs;
constexpr int64_t kCpuSampleNs = 250 * kMsNs;
constexpr int64_t kCpuAll = 1000;
constexpr uint64_t kTheStudy = 1;

bool IsWritten(guard::Criticality of) {
  return of == guard::Criticality::kUrgent || of == guard::Criticality::kReport;
}

// A call that was let in.
struct Taken {
  const TraceCall* call = nullptr;
  uint32_t token = 0;
  int64_t entered_ns = 0;
  int64_t came_ns() const { return call->at_ms * kMsNs; }
};

// Writes what was handed over in groups, one after the other.
class Disk {
 public:
  explicit Disk(const ServerModel& model)
      : records_max_(static_cast<size_t>(model.sync_records)), sync_ns_(model.sync_ns) {}

  struct Waiting {
    Taken taken;
    int64_t since_ns = 0;
  };
  // Times do not decrease.
  void Write(const Taken& taken, int64_t now_ns) {
    waiting_.push_back({taken, now_ns});
    if (done_ns_ == kNever) Start(now_ns);
  }
  // When what is being written is durable; kNever: nothing is.
  int64_t done_ns() const { return done_ns_; }
  // Of what has just been written.
  guard::QueueLimit::Batch batch() const {
    return {.records = static_cast<int64_t>(writing_.size()),
            .service_ns = took_ns_,
            .waited_ns = done_ns_ - writing_.front().since_ns,
            .busy_ns = busy_ns_};
  }
  const std::vector<Waiting>& writing() const { return writing_; }
  void Next() {
    const int64_t free_ns = done_ns_;
    done_ns_ = kNever;
    // The loop may be ahead of the disk: what it hands over later has not come yet.
    if (!waiting_.empty()) Start(std::max(free_ns, waiting_.front().since_ns));
  }
  void set_sync_ns(int64_t sync_ns) { sync_ns_ = sync_ns; }

 private:
  void Start(int64_t now_ns) {
    writing_.clear();
    while (!waiting_.empty() && waiting_.front().since_ns <= now_ns &&
           writing_.size() < records_max_) {
      writing_.push_back(waiting_.front());
      waiting_.pop_front();
    }
    took_ns_ = sync_ns_;
    busy_ns_ += took_ns_;
    done_ns_ = now_ns + took_ns_;
  }

  const size_t records_max_;
  int64_t sync_ns_;
  std::deque<Waiting> waiting_;
  std::vector<Waiting> writing_;
  int64_t took_ns_ = 0;
  int64_t busy_ns_ = 0;
  int64_t done_ns_ = kNever;
};

class Server {
 public:
  Server(const ServerModel& model, size_t seconds)
      : model_(model),
        crowd_(1),
        gate_(model.gate, crowd_, 0, model.seed, 0),
        disk_(model),
        seconds_(seconds) {}

  // Calls come in order of time.
  void Come(const TraceCall& call) {
    Until(call.at_ms * kMsNs);
    if (call.cpu) told_cpu_ = call.cpu;
    if (call.sync_ms) disk_.set_sync_ns(*call.sync_ms * kMsNs);
    TakeIn(call);
  }

  std::vector<ServedSecond> Finish() && {
    Until(static_cast<int64_t>(seconds_.size()) * kSecondNs);
    TellWaits();
    return std::move(seconds_);
  }

 private:
  struct Service {
    int64_t end_ns;
    Taken taken;
    bool operator<(const Service& other) const { return end_ns > other.end_ns; }
  };

  // What is ready by then is taken in order, each when the loop is free.
  void Until(int64_t ready_ns) {
    while (true) {
      const int64_t service_ns = services_.empty() ? kNever : services_.top().end_ns;
      const int64_t first_ns = std::min({cpu_due_ns_, probe_ns_, disk_.done_ns(), service_ns});
      if (first_ns > ready_ns) return;
      now_ns_ = std::max(now_ns_, first_ns);
      if (first_ns == cpu_due_ns_) {
        SampleCpu();
        continue;
      }
      if (first_ns == probe_ns_) {
        MeasureLag();
        continue;
      }
      if (first_ns == disk_.done_ns()) {
        TakeWritten();
      } else {
        Answer(services_.top().taken);
        services_.pop();
      }
      Probe();
    }
  }

  void TakeIn(const TraceCall& call) {
    const int64_t came_ns = call.at_ms * kMsNs;
    now_ns_ = std::max(now_ns_, came_ns);
    ServedSecond& second = *SecondOf(came_ns);
    auto& counts = second.by_class[static_cast<size_t>(call.of)];
    ++counts.offered;
    const bool written = IsWritten(call.of);
    const guard::Gate::Entry entry =
        written ? gate_.EnterReport(call.of == guard::Criticality::kUrgent, kTheStudy, now_ns_)
                : gate_.Enter(call.of, now_ns_);
    const Taken taken{.call = &call, .token = entry.token, .entered_ns = now_ns_};
    Work(entry.admitted ? model_.cost_ns : model_.refusal_ns);
    if (!entry.admitted) {
      ++counts.refused;
    } else {
      second.failed += call.fails;
      if (written) {
        gate_.Queued();
        disk_.Write(taken, now_ns_);
      } else {
        StartService(taken);
      }
    }
    Probe();
  }

  void Work(int64_t cost_ns) {
    now_ns_ += cost_ns;
    busy_ns_ += cost_ns;
  }

  void TakeWritten() {
    for (const Disk::Waiting& record : disk_.writing()) {
      gate_.Unqueued();
      StartService(record.taken);
    }
    gate_.Served(disk_.batch(), disk_.done_ns());
    disk_.Next();
    const int64_t limit = gate_.stats().queue_limit.load(std::memory_order_relaxed);
    ServedSecond* const second = SecondOf(now_ns_);
    if (limit == 0 || !second) return;
    second->limit_low = second->limit_low == 0 ? limit : std::min(second->limit_low, limit);
    second->limit_high = std::max(second->limit_high, limit);
  }

  void StartService(const Taken& taken) {
    if (taken.call->service_ms == 0) return Answer(taken);
    services_.push({now_ns_ + taken.call->service_ms * kMsNs, taken});
  }

  void Answer(const Taken& taken) {
    gate_.Left(taken.token, taken.entered_ns, taken.call->fails, now_ns_);
    if (now_ns_ >= told_ns_ + kSecondNs) TellWaits();
    waits_ns_.push_back(now_ns_ - taken.came_ns());
  }

  // Sent when there was work, and comes when all that was ready before it has been taken.
  void Probe() {
    if (probe_ns_ == kNever && now_ns_ - probed_ns_ >= kProbeNs) probe_ns_ = probed_ns_ = now_ns_;
  }

  void MeasureLag() {
    gate_.Lag(now_ns_ - probe_ns_, now_ns_);
    probe_ns_ = kNever;
    if (ServedSecond* const second = SecondOf(now_ns_)) {
      second->processor_share = gate_.stats().shed_share.load(std::memory_order_relaxed);
    }
  }

  void SampleCpu() {
    const int64_t busy = busy_ns_ * kCpuAll / std::max<int64_t>(1, now_ns_ - sampled_ns_);
    gate_.Cpu(told_cpu_.value_or(static_cast<int32_t>(std::min(kCpuAll, busy))));
    busy_ns_ = 0;
    sampled_ns_ = now_ns_;
    cpu_due_ns_ = now_ns_ + kCpuSampleNs;
  }

  // Null: it is after the trace's end.
  ServedSecond* SecondOf(int64_t now_ns) {
    const auto second = static_cast<size_t>(now_ns / kSecondNs);
    return second < seconds_.size() ? &seconds_[second] : nullptr;
  }

  // The waits of the second that has begun at told_ns_.
  void TellWaits() {
    ServedSecond* const second = SecondOf(told_ns_);
    if (second && !waits_ns_.empty()) {
      const auto p99 = waits_ns_.begin() + static_cast<ptrdiff_t>(waits_ns_.size() * 99 / 100);
      std::ranges::nth_element(waits_ns_, p99);
      second->wait_p99_ns = *p99;
      second->answered = static_cast<int64_t>(waits_ns_.size());
    }
    waits_ns_.clear();
    told_ns_ = now_ns_ - now_ns_ % kSecondNs;
  }

  const ServerModel model_;
  guard::Crowd crowd_;
  guard::Gate gate_;
  Disk disk_;
  std::priority_queue<Service> services_;
  int64_t now_ns_ = 0;  // the loop's time: when it is free again
  int64_t probe_ns_ = kNever;
  int64_t probed_ns_ = 0;
  int64_t cpu_due_ns_ = kCpuSampleNs;
  int64_t sampled_ns_ = 0;
  int64_t busy_ns_ = 0;  // since sampled_ns_
  std::optional<int32_t> told_cpu_;
  std::vector<int64_t> waits_ns_;
  int64_t told_ns_ = 0;
  std::vector<ServedSecond> seconds_;
};

}  // namespace

ServedSecond::Class ServedSecond::all() const {
  Class all;
  for (const Class& of : by_class) {
    all.offered += of.offered;
    all.refused += of.refused;
  }
  return all;
}

std::vector<ServedSecond> Serve(const std::vector<TraceCall>& trace, const ServerModel& model) {
  if (trace.empty()) return {};
  const int64_t last_ns = trace.back().at_ms * kMsNs;
  Server server(model, static_cast<size_t>(last_ns / kSecondNs) + 1);
  for (const TraceCall& call : trace) server.Come(call);
  return std::move(server).Finish();
}

}  // namespace weir::app

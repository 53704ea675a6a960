#include "guard/queue_limit.h"

#include <algorithm>
#include <utility>

namespace weir::guard {
namespace {

constexpr int64_t kMsNs = 1'000'000;
constexpr int64_t kBucketNs = 50 * kMsNs;
constexpr int kRecent = 10;  // of them
constexpr int kBusyBuckets = 5;
constexpr double kBusyShare = 0.7;
constexpr int64_t kLateNs = 25 * kMsNs;
constexpr int64_t kBatchesBehindMax = 1000;
constexpr int64_t kStandstillNs = 500 * kMsNs;
constexpr int64_t kCoolOffNs = 1'000 * kMsNs;
// One service is under way when a record comes, one is its own, and one is for what waits.
constexpr double kServices = 3;
// What nobody notices.
constexpr int64_t kTargetMinNs = 20 * kMsNs;
constexpr double kMeanNew = 1.0 / 8;
// Fewer would make batches so small that the service could not show what it can do.
constexpr int64_t kLimitMin = 32;

}  // namespace

QueueLimit::QueueLimit(int64_t now_ns) : served_(kBucketNs, now_ns), progress_ns_(now_ns) {}

int64_t QueueLimit::TargetNs() const {
  return std::max(kTargetMinNs, static_cast<int64_t>(kServices * service_mean_ns_));
}

void QueueLimit::Served(const Batch& batch, int64_t now_ns) {
  Count& count = served_.Current(now_ns);
  count.records += batch.records;
  count.busy_ns += batch.busy_ns - std::exchange(busy_ns_, batch.busy_ns);
  progress_ns_ = now_ns;
  service_mean_ns_ += (static_cast<double>(batch.service_ns) - service_mean_ns_) *
                      (service_mean_ns_ == 0 ? 1 : kMeanNew);
  const int64_t batches_behind = batch.behind / std::max<int64_t>(1, batch.records);
  const int64_t soon_ns = batch.service_ns * (1 + std::min(batches_behind, kBatchesBehindMax));
  const bool busy = Busy(now_ns);
  if (!busy || std::max(batch.waited_ns, soon_ns) <= TargetNs()) {
    late_since_ns_ = kNone;
  } else if (late_since_ns_ == kNone) {
    late_since_ns_ = now_ns;
  }
  if (limit_ != kNone) {
    limit_ = !busy || now_ns - shed_ns_ >= kCoolOffNs ? kNone : LimitNow(now_ns);
  } else if (late_since_ns_ != kNone && now_ns - late_since_ns_ >= kLateNs) {
    limit_ = LimitNow(now_ns);
    shed_ns_ = now_ns;
  }
}

int64_t QueueLimit::LimitNow(int64_t now_ns) const {
  int64_t all = 0;
  int64_t recent = 0;
  int i = 0;
  served_.ForEach(now_ns, decltype(served_)::Newest::kIncluded, [&](const Count& count) {
    all += count.records;
    // The newest is being filled: the ten before it are half a second.
    if (i >= kBuckets - kRecent - 1 && i < kBuckets - 1) recent += count.records;
    ++i;
  });
  const double rate_per_ns = std::max(static_cast<double>(recent) / (kRecent * kBucketNs),
                                      static_cast<double>(all) / (2.0 * kBuckets * kBucketNs));
  return std::max(kLimitMin, static_cast<int64_t>(rate_per_ns * static_cast<double>(TargetNs())));
}

// Over the last quarter of a second, the bucket being filled and the four before it.
bool QueueLimit::Busy(int64_t now_ns) const {
  int64_t busy_ns = 0;
  int i = 0;
  served_.ForEach(now_ns, decltype(served_)::Newest::kIncluded, [&](const Count& count) {
    if (i++ >= kBuckets - kBusyBuckets) busy_ns += count.busy_ns;
  });
  return static_cast<double>(busy_ns) >= kBusyShare * (kBusyBuckets - 1) * kBucketNs;
}

bool QueueLimit::Allow(int64_t waiting, int64_t now_ns) {
  if (waiting == 0) progress_ns_ = std::max(progress_ns_, now_ns);
  if (limit_ == kNone && waiting >= kLimitMin && now_ns - progress_ns_ >= kStandstillNs) {
    limit_ = LimitNow(now_ns);
  }
  if (limit_ == kNone || waiting < limit_) return true;
  shed_ns_ = std::max(shed_ns_, now_ns);
  return false;
}

}  // namespace weir::guard

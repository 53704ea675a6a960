#include "alerts/target_queue.h"

#include <algorithm>

#include "base/random.h"
#include "guard/retry_budget.h"

namespace weir::alerts {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr unsigned kFailuresBeforeClosing = 3;

}  // namespace

bool TargetQueue::MayStart() const { return in_flight_ < (proven_ ? in_flight_max_ : 1); }

std::optional<PendingDelivery> TargetQueue::Take(int64_t now_ns) {
  if (!MayStart() || now_ns < closed_until_ns_) return std::nullopt;
  for (Waiting* waiting : {&urgent_, &others_}) {
    if (waiting->empty() || waiting->begin()->due_ns > now_ns) continue;
    const PendingDelivery delivery = *waiting->begin();
    waiting->erase(waiting->begin());
    ++in_flight_;
    return delivery;
  }
  return std::nullopt;
}

void TargetQueue::Answered() {
  --in_flight_;
  failures_ = 0;
  proven_ = true;
  closed_until_ns_ = 0;
}

void TargetQueue::Failed(PendingDelivery delivery, bool target_fault,
                         std::optional<int64_t> retry_after_ms, int64_t now_ns, uint64_t random) {
  --in_flight_;
  if (target_fault) proven_ = false;
  if (target_fault || delivery.attempts <= 1) ++failures_;
  const auto backoff_ms = [this, draw = base::ToFraction(random)](uint32_t failures) {
    return guard::BackoffMs(failures, retry_.min_ms, retry_.max_ms, draw);
  };
  int64_t closed_ms = 0;
  if (failures_ >= kFailuresBeforeClosing) {
    closed_ms = std::min<int64_t>(backoff_ms(failures_ - kFailuresBeforeClosing + 1),
                                  retry_.target_pause_max_ms);
  }
  int64_t wait_ms = backoff_ms(delivery.attempts);
  if (retry_after_ms) {
    closed_ms = std::min<int64_t>(*retry_after_ms, retry_.retry_after_max_ms);
    wait_ms = std::max(wait_ms, closed_ms);
  }
  closed_until_ns_ = std::max(closed_until_ns_, now_ns + closed_ms * kNsPerMs);
  delivery.due_ns = now_ns + wait_ms * kNsPerMs;
  Add(delivery);
}

void TargetQueue::PutBack(PendingDelivery delivery, int64_t now_ns, int64_t wait_ms) {
  --in_flight_;
  delivery.due_ns = now_ns + wait_ms * kNsPerMs;
  Add(delivery);
}

int64_t TargetQueue::next_ns() const {
  if (!MayStart()) return INT64_MAX;
  int64_t first = INT64_MAX;
  for (const Waiting* waiting : {&urgent_, &others_}) {
    if (!waiting->empty()) first = std::min(first, waiting->begin()->due_ns);
  }
  return first == INT64_MAX ? first : std::max(first, closed_until_ns_);
}

}  // namespace weir::alerts

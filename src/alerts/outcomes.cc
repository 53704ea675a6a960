#include "alerts/outcomes.h"

#include "alerts/control_record.h"

namespace weir::alerts {

using journal::Outcome;

namespace {

constexpr int64_t kRetryNs = 1'000'000'000;

}  // namespace

void Outcomes::Write() {
  while (!waiting_.empty() && !stopped_ && clock_.SteadyNs() >= not_before_ns_) {
    const EndedDelivery& ended = waiting_.front();
    wire::DeliveryHead head;
    head.report = ended.delivery.report;
    head.stage = ended.delivery.stage;
    head.delivered = ended.ending == Ending::kDelivered;
    head.attempts = ended.delivery.attempts;
    head.status = ended.status;
    head.target = ended.target;
    head.detail = ended.detail;
    const Outcome outcome = AppendDelivery(journal_, head, clock_.WallMs()).outcome;
    if (outcome == Outcome::kStopped) {
      stopped_ = true;
    } else if (!IsStored(outcome)) {
      not_before_ns_ = clock_.SteadyNs() + kRetryNs;
    } else {
      Count(ended);
      waiting_.pop_front();
    }
  }
}

void Outcomes::Count(const EndedDelivery& ended) {
  ++counts_[static_cast<size_t>(ended.ending)];
  if (ended.ending == Ending::kDelivered) {
    ++delivered_[ended.target];
    return;
  }
  log_.Warn(
      "alerts.not_delivered", "a delivery has ended, and the target did not take it",
      {observe::AtOffset(ended.delivery.report), observe::Target(ended.target),
       observe::HttpStatus(ended.status), observe::Count("attempts", ended.delivery.attempts)});
}

uint64_t Outcomes::delivered_to(const std::string& target) const {
  const auto found = delivered_.find(target);
  return found == delivered_.end() ? 0 : found->second;
}

}  // namespace weir::alerts

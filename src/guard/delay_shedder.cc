#include "guard/delay_shedder.h"

#include <algorithm>

#include "base/check.h"

namespace weir::guard {
namespace {

constexpr int64_t kMsNs = 1'000'000;
constexpr int64_t kStandingNs = 100 * kMsNs;
constexpr int64_t kCountNs = 500 * kMsNs;
// Nothing was measured for so long: there was nothing to do, and what was learned is of no use.
constexpr int64_t kForgetNs = 1'000 * kMsNs;
// The queue integrates what comes in excess, so these give a second-order loop that is critically
// damped where the excess is as large as the capacity, and settles within a second.
constexpr double kProportionalPerS = 6;
constexpr double kIntegralPerS2 = 8;
// Below the target the wait says little, for it cannot be negative: the share returns by itself.
constexpr double kReturnPerS = 1.5;
constexpr double kReturnFloor = 0.2;
// Above the target a wait is at most this bad, however long it is: what it has cost is past.
constexpr double kWaitMaxS = 0.25;
constexpr double kShareMax = 0.98;

double Seconds(int64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace

DelayShedder::DelayShedder(Rank last, int64_t now_ns)
    : last_(last), measured_ns_(now_ns), counting_since_ns_(now_ns) {
  WEIR_CHECK(last != Rank::kUrgent);
}

int64_t DelayShedder::Standing(int64_t now_ns) const {
  int64_t shortest_ns = INT64_MAX;
  for (const Wait& wait : waits_) {
    if (now_ns - wait.at_ns < kStandingNs) shortest_ns = std::min(shortest_ns, wait.wait_ns);
  }
  return shortest_ns;
}

void DelayShedder::Measured(int64_t wait_ns, int64_t target_ns, int64_t now_ns) {
  const int64_t since_ns = std::max<int64_t>(0, now_ns - measured_ns_);
  measured_ns_ = now_ns;
  waits_[next_wait_++ % kWaits] = {now_ns, wait_ns};
  const double target_s = Seconds(target_ns);
  const double now_s = std::min(kWaitMaxS + target_s, Seconds(Standing(now_ns)));
  if (since_ns > kForgetNs) {
    share_ = 0;
    last_s_ = now_s;
  }
  const double step_s = Seconds(std::min(since_ns, kStandingNs));
  share_ += kProportionalPerS * (std::max(now_s, target_s) - std::max(last_s_, target_s));
  if (now_s >= target_s) {
    share_ += kIntegralPerS2 * step_s * (now_s - target_s);
  } else {
    share_ -= kReturnPerS * step_s * (1 - now_s / target_s) * (share_ + kReturnFloor);
  }
  share_ = std::clamp(share_, 0.0, kShareMax);
  last_s_ = now_s;
  if (now_ns - counting_since_ns_ >= kCountNs) {
    counted_ = counting_;
    counting_.fill(0);
    counting_since_ns_ = now_ns;
  }
  Spread();
}

void DelayShedder::Spread() {
  double all = 0;
  for (size_t i = 0; i < kRanks; ++i) all += static_cast<double>(counted_[i] + counting_[i]);
  double left = share_ * all;
  probability_.fill(0);
  for (size_t i = kRanks - 1; i >= static_cast<size_t>(last_) && left > 0; --i) {
    const auto arrivals = static_cast<double>(counted_[i] + counting_[i]);
    // Of what did not come, nothing need be shed; if some comes now, it goes first.
    probability_[i] = arrivals > left ? left / arrivals : 1;
    left -= arrivals;
  }
}

bool DelayShedder::Allow(Rank rank, double draw) {
  const auto i = static_cast<size_t>(rank);
  ++counting_[i];
  return draw >= probability_[i];
}

}  // namespace weir::guard

// Retries that cannot become the load that kills a partner: a budget that they share, and waits
// that spread them.
//
// Threads: the owner serialises calls. Memory: fixed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace weir::guard {

// Every call earns `share` of a retry, and up to `saved_max` of them are kept: retries add at most
// that share to the load, whatever the failures (Site Reliability Engineering, "Addressing
// Cascading Failures").
class RetryBudget {
 public:
  explicit RetryBudget(double share = 0.1, double saved_max = 10)
      : share_(share), saved_max_(saved_max) {}

  void Called() { saved_ = std::min(saved_max_, saved_ + share_); }
  // False: the failure is final.
  bool TryRetry() {
    // What ten tenths add up to, in binary, may be a little less than one.
    if (saved_ < 1 - kRounding) return false;
    saved_ = std::max(0.0, saved_ - 1);
    return true;
  }

 private:
  static constexpr double kRounding = 1e-9;
  const double share_;
  const double saved_max_;
  double saved_ = 0;
};

// The wait after `failures` (from 1) in a row: uniform between 0 and min(max, first × 2^(failures -
// 1)), for a uniform `draw` in [0, 1), so that what failed together does not come back together.
inline int64_t BackoffMs(uint32_t failures, int64_t first_ms, int64_t max_ms, double draw) {
  constexpr uint32_t kDoublingsMax = 63;  // any maximum is reached, or the first wait is 0
  const auto doublings = static_cast<int>(std::min(std::max(failures, 1u) - 1, kDoublingsMax));
  const double bound_ms = std::ldexp(static_cast<double>(first_ms), doublings);
  return static_cast<int64_t>(draw * std::min(bound_ms, static_cast<double>(max_ms)));
}

}  // namespace weir::guard

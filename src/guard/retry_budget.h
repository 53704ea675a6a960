// Retries that cannot become the load that kills a partner: a budget that they share, and waits
// that spread them.
//
// Threads: the owner serialises calls. Memory: fixed.
#pragma once

#include <algorithm>
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

// The wait before retry `attempt` (0 is the first): uniform between 0 and min(max, base ×
// 2^attempt), for a uniform `draw` in [0, 1).
inline int64_t BackoffMs(int attempt, int64_t base_ms, int64_t max_ms, double draw) {
  double limit_ms = static_cast<double>(base_ms);
  for (int i = 0; i < attempt && limit_ms < static_cast<double>(max_ms); ++i) limit_ms *= 2;
  return static_cast<int64_t>(draw * std::min(limit_ms, static_cast<double>(max_ms)));
}

}  // namespace weir::guard

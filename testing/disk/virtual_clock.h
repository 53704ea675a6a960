// A clock that stands still until a test moves it. Any thread.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace weir::testing {

class VirtualClock final : public base::Clock {
 public:
  explicit VirtualClock(int64_t wall_ms = 1'795'489'565'123) : wall_ms_(wall_ms) {}
  int64_t WallMs() const override { return wall_ms_ + steady_ns_.load() / 1'000'000; }
  int64_t SteadyNs() const override { return steady_ns_.load(); }
  void AdvanceNs(int64_t ns) { steady_ns_.fetch_add(ns); }
  void AdvanceMs(int64_t ms) { AdvanceNs(ms * 1'000'000); }

 private:
  const int64_t wall_ms_;  // at steady zero
  std::atomic<int64_t> steady_ns_{0};
};

}  // namespace weir::testing

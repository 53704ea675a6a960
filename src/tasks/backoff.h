// When to try again what the environment refused: at once a little later, then ever more rarely.
#pragma once

#include <algorithm>
#include <cstdint>

namespace weir::tasks {

class Backoff {
 public:
  Backoff(int first_ms, int max_ms) : first_ms_(first_ms), max_ms_(max_ms) {}

  void Failed(int64_t now_ns) {
    const int doublings = static_cast<int>(std::min<uint64_t>(failures_, 20));
    const int64_t wait_ms = std::min<int64_t>(int64_t{first_ms_} << doublings, max_ms_);
    retry_at_ns_ = now_ns + wait_ms * 1'000'000;
    ++failures_;
  }
  void Succeeded() { failures_ = 0, retry_at_ns_ = 0; }

  bool failing() const { return failures_ > 0; }
  uint64_t failures() const { return failures_; }
  bool Due(int64_t now_ns) const { return now_ns >= retry_at_ns_; }
  int64_t retry_at_ns() const { return retry_at_ns_; }

 private:
  int first_ms_, max_ms_;
  uint64_t failures_ = 0;
  int64_t retry_at_ns_ = 0;
};

}  // namespace weir::tasks

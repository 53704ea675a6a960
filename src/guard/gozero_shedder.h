// go-zero's adaptive shedder (core/load/adaptiveshedder.go), decision by decision.
//
// While the CPU is at its threshold, or was within a second of something having been shed, a
// request is shed if both the requests in flight and their moving average are above
//     max(1, maxPass × minRt × buckets per second / 1000) × overload factor,
// maxPass being the most that one bucket of 100 ms passed within 5 s, minRt the least mean duration
// of a bucket in whole milliseconds (1000 where there is none), and the factor
// (1000 − cpu) / (1000 − threshold), between 0.1 and 1. The bucket being filled is left out of
// both.
//
// CPU is in thousandths of what the process may use. Times are steady nanoseconds. Threads: the
// owner serialises calls. Memory: fixed. No call allocates.
#pragma once

#include <cstdint>
#include <optional>

#include "guard/rolling_window.h"

namespace weir::guard {

class GoZeroShedder {
 public:
  // `cpu_threshold` is below 1000.
  GoZeroShedder(int64_t cpu_threshold, int64_t now_ns);

  // True: the request is in flight, and Passed() or Failed() follows once.
  bool Allow(int64_t cpu, int64_t now_ns);
  void Passed(int64_t started_ns, int64_t now_ns);
  void Failed();

  double MaxFlight(int64_t now_ns) const;
  int64_t cpu_threshold() const { return cpu_threshold_; }
  int64_t in_flight() const { return in_flight_; }

 private:
  struct Counts {
    int64_t passed = 0;
    int64_t duration_ms = 0;
  };
  using Window = RollingWindow<Counts, 50>;

  bool Hot(int64_t cpu, int64_t now_ns);
  void Leave();

  const int64_t cpu_threshold_;
  Window window_;
  int64_t in_flight_ = 0;
  double in_flight_mean_ = 0;  // moves when a request ends
  bool shed_lately_ = false;
  std::optional<int64_t> overloaded_ns_;  // when the CPU was last at its threshold
};

}  // namespace weir::guard

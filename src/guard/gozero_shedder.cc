#include "guard/gozero_shedder.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace weir::guard {
namespace {

constexpr int64_t kMsNs = 1'000'000;
constexpr int64_t kIntervalNs = 100 * kMsNs;
constexpr int64_t kCoolOffNs = 1'000 * kMsNs;
constexpr int64_t kCpuMax = 1000;
constexpr double kIntervalsPerMs = 10.0 / 1000;
constexpr double kMinRtDefaultMs = 1000;
// Not 1 − 0.9, which is another number in binary.
constexpr double kMeanKept = 0.9;
constexpr double kMeanNew = 0.1;
constexpr double kFactorMin = 0.1;

}  // namespace

GoZeroShedder::GoZeroShedder(int64_t cpu_threshold, int64_t now_ns)
    : cpu_threshold_(cpu_threshold), window_(kIntervalNs, now_ns) {
  WEIR_CHECK(cpu_threshold < kCpuMax);
}

bool GoZeroShedder::Allow(int64_t cpu, int64_t now_ns) {
  if (Hot(cpu, now_ns)) {
    const double factor =
        static_cast<double>(kCpuMax - cpu) / static_cast<double>(kCpuMax - cpu_threshold_);
    const double flight_max = MaxFlight(now_ns) * std::clamp(factor, kFactorMin, 1.0);
    if (in_flight_mean_ > flight_max && static_cast<double>(in_flight_) > flight_max) {
      shed_lately_ = true;
      return false;
    }
  }
  ++in_flight_;
  return true;
}

void GoZeroShedder::Passed(int64_t started_ns, int64_t now_ns) {
  Leave();
  Counts& counts = window_.Current(now_ns);
  ++counts.passed;
  counts.duration_ms += (now_ns - started_ns + kMsNs - 1) / kMsNs;
}

void GoZeroShedder::Failed() { Leave(); }

double GoZeroShedder::MaxFlight(int64_t now_ns) const {
  int64_t passed_max = 1;
  double duration_min_ms = kMinRtDefaultMs;
  window_.ForEach(now_ns, Window::Newest::kLeftOut, [&](const Counts& counts) {
    passed_max = std::max(passed_max, counts.passed);
    if (counts.passed == 0) return;
    const double mean_ms =
        std::round(static_cast<double>(counts.duration_ms) / static_cast<double>(counts.passed));
    duration_min_ms = std::min(duration_min_ms, mean_ms);
  });
  return std::max(1.0, static_cast<double>(passed_max) * duration_min_ms * kIntervalsPerMs);
}

bool GoZeroShedder::Hot(int64_t cpu, int64_t now_ns) {
  if (cpu >= cpu_threshold_) {
    overloaded_ns_ = now_ns;
    return true;
  }
  if (!shed_lately_ || !overloaded_ns_) return false;
  shed_lately_ = now_ns - *overloaded_ns_ < kCoolOffNs;
  return shed_lately_;
}

void GoZeroShedder::Leave() {
  --in_flight_;
  in_flight_mean_ = in_flight_mean_ * kMeanKept + static_cast<double>(in_flight_) * kMeanNew;
}

}  // namespace weir::guard

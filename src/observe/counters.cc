#include "observe/counters.h"

#include <cmath>

namespace weir::observe {

void HistogramSnapshot::Add(const HistogramSnapshot& other) noexcept {
  for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  sum_ns += other.sum_ns;
}

uint64_t HistogramSnapshot::count() const noexcept {
  uint64_t total = 0;
  for (const uint64_t count : counts) total += count;
  return total;
}

uint64_t HistogramSnapshot::QuantileNs(double quantile) const noexcept {
  const uint64_t total = count();
  if (total == 0) return 0;
  const auto rank = static_cast<uint64_t>(std::ceil(quantile * static_cast<double>(total)));
  uint64_t seen = 0;
  for (size_t i = 0; i < kDurationBoundsNs.size(); ++i) {
    seen += counts[i];
    if (seen >= rank) return kDurationBoundsNs[i];
  }
  return UINT64_MAX;
}

void Histogram::AddTo(HistogramSnapshot& snapshot) const noexcept {
  for (size_t i = 0; i < counts_.size(); ++i) snapshot.counts[i] += counts_[i].value();
  snapshot.sum_ns += sum_ns_.value();
}

HistogramSnapshot Histogram::snapshot() const noexcept {
  HistogramSnapshot snapshot;
  AddTo(snapshot);
  return snapshot;
}

}  // namespace weir::observe

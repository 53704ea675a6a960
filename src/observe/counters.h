// Counters and histograms for the hot path: one writer each, read by anybody at a scrape.
//
// The writer loads, adds and stores without a locked instruction (a few cycles); readers see a
// value that is at most one update old. Give each loop or thread its own, in a PerThread, and add
// them up when they are read.
#pragma once

#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace weir::observe {

class Counter {
 public:
  void Add(uint64_t by = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// From 50 µs, which is quicker than any disk, to 60 s, which is longer than any deadline; steps of
// 2 to 2.5 keep a quantile's error below the step.
inline constexpr std::array<uint64_t, 20> kDurationBoundsNs = {
    50'000,        100'000,        250'000,        500'000,        1'000'000,
    2'500'000,     5'000'000,      10'000'000,     25'000'000,     50'000'000,
    100'000'000,   250'000'000,    500'000'000,    1'000'000'000,  2'500'000'000,
    5'000'000'000, 10'000'000'000, 20'000'000'000, 30'000'000'000, 60'000'000'000};

struct HistogramSnapshot {
  std::array<uint64_t, kDurationBoundsNs.size() + 1> counts{};  // not cumulative; last: above all
  uint64_t sum_ns = 0;

  void Add(const HistogramSnapshot& other) noexcept {
    for (size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
    sum_ns += other.sum_ns;
  }
  uint64_t count() const noexcept {
    uint64_t total = 0;
    for (const uint64_t count : counts) total += count;
    return total;
  }
  // The upper bound of the bucket that holds the quantile (0 to 1); 0 when nothing was observed,
  // UINT64_MAX above the last bound.
  uint64_t QuantileNs(double quantile) const noexcept {
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
};

class Histogram {
 public:
  void Observe(uint64_t ns) noexcept {
    size_t bucket = 0;
    while (bucket < kDurationBoundsNs.size() && ns > kDurationBoundsNs[bucket]) ++bucket;
    counts_[bucket].Add(1);
    sum_ns_.Add(ns);
  }
  void AddTo(HistogramSnapshot& snapshot) const noexcept {
    for (size_t i = 0; i < counts_.size(); ++i) snapshot.counts[i] += counts_[i].value();
    snapshot.sum_ns += sum_ns_.value();
  }
  HistogramSnapshot snapshot() const noexcept {
    HistogramSnapshot snapshot;
    AddTo(snapshot);
    return snapshot;
  }

 private:
  std::array<Counter, kDurationBoundsNs.size() + 1> counts_;
  Counter sum_ns_;
};

// One T for each thread, on cache lines of their own. The index is the loop's.
template <class T>
class PerThread {
 public:
  explicit PerThread(unsigned threads) : count_(threads), slots_(new Slot[threads]) {}
  T& operator[](unsigned index) noexcept { return slots_[index].value; }
  const T& operator[](unsigned index) const noexcept { return slots_[index].value; }
  unsigned size() const noexcept { return count_; }
  template <class F>
  void ForEach(F&& f) const {
    for (unsigned i = 0; i < count_; ++i) f(slots_[i].value);
  }

 private:
  struct alignas(64) Slot {
    T value{};
  };
  unsigned count_;
  std::unique_ptr<Slot[]> slots_;
};

}  // namespace weir::observe

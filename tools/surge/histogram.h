// Durations, counted in buckets that grow with the value: 64 to each power of two, so that a
// quantile is at most 1.6 % above the true one, whatever the range. 30 KiB, no allocation after
// construction. One thread at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace weir::surge {

class Histogram {
 public:
  Histogram() : counts_(kBuckets) {}

  // Negative values count as 0.
  void Record(int64_t ns) {
    const uint64_t value = ns < 0 ? 0 : static_cast<uint64_t>(ns);
    ++counts_[BucketOf(value)];
    ++count_;
    max_ = std::max(max_, value);
  }

  void Merge(const Histogram& other) {
    for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }

  uint64_t count() const { return count_; }
  int64_t max_ns() const { return static_cast<int64_t>(max_); }

  // The smallest recorded value that at least `share` of all values do not exceed, rounded up to
  // its bucket's end; 0 if nothing was recorded.
  int64_t QuantileNs(double share) const {
    if (count_ == 0) return 0;
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(count_) + 0.999999);
    uint64_t seen = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen >= std::max<uint64_t>(wanted, 1)) {
        return static_cast<int64_t>(std::min(LastOf(i), max_));
      }
    }
    return max_ns();
  }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr size_t kPerPower = size_t{1} << kBits;
  static constexpr size_t kBuckets = (64 - kBits + 1) * kPerPower;

  static size_t BucketOf(uint64_t value) {
    if (value < kPerPower) return value;
    const auto power = static_cast<unsigned>(std::bit_width(value)) - 1;
    return (power - kBits + 1) * kPerPower + ((value >> (power - kBits)) & (kPerPower - 1));
  }
  static uint64_t LastOf(size_t bucket) {
    if (bucket < kPerPower) return bucket;
    const size_t shift = bucket / kPerPower - 1;
    const uint64_t first = (kPerPower + bucket % kPerPower) << shift;
    return first + ((uint64_t{1} << shift) - 1);
  }

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace weir::surge

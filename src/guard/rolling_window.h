// Counts over the last `kSize` intervals, each in a bucket of its own; older ones are forgotten.
//
// Buckets advance as go-zero's core/collection/rollingwindow.go advances them: lazily, when
// something is added, aligned to multiples of the interval from the window's start. A bucket that
// was added to last stays part of a window read later until its own age has passed.
//
// Times are steady nanoseconds; one that is before an earlier one counts as that earlier one.
// Threads: none of its own; the owner serialises calls. Memory: fixed, inline.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace weir::guard {

template <typename Bucket, int kSize>
class RollingWindow {
 public:
  RollingWindow(int64_t interval_ns, int64_t now_ns)
      : interval_ns_(interval_ns), last_ns_(now_ns) {}

  // The bucket that something which happens now belongs to.
  Bucket& Current(int64_t now_ns) {
    const int span = Span(now_ns);
    if (span > 0) {
      for (int i = 1; i <= span; ++i) buckets_[(offset_ + i) % kSize] = Bucket{};
      offset_ = (offset_ + span) % kSize;
      last_ns_ = now_ns - (now_ns - last_ns_) % interval_ns_;
    }
    return buckets_[offset_];
  }

  enum class Newest { kIncluded, kLeftOut };

  // Every bucket still within the window, the oldest first. kLeftOut skips the one that is being
  // filled now, whose counts are partial.
  template <typename Visit>
  void ForEach(int64_t now_ns, Newest newest, Visit visit) const {
    const int span = Span(now_ns);
    const int count = span == 0 && newest == Newest::kLeftOut ? kSize - 1 : kSize - span;
    for (int i = 0; i < count; ++i) visit(buckets_[(offset_ + span + 1 + i) % kSize]);
  }

  void Clear() { buckets_.fill(Bucket{}); }

 private:
  int Span(int64_t now_ns) const {
    const int64_t passed = (now_ns - last_ns_) / interval_ns_;
    return static_cast<int>(std::clamp<int64_t>(passed, 0, kSize));
  }

  const int64_t interval_ns_;
  int64_t last_ns_;  // the start of the bucket at offset_
  int offset_ = 0;
  std::array<Bucket, kSize> buckets_{};
};

}  // namespace weir::guard

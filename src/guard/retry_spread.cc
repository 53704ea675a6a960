#include "guard/retry_spread.h"

#include <algorithm>

namespace weir::guard {
namespace {

constexpr int64_t kLookNs = 500'000'000;

}  // namespace

int RetrySpread::Seconds(uint64_t admitted, uint64_t refused, int64_t now_ns) {
  const Look now{now_ns, admitted, refused};
  if (now_ns - newer_.at_ns >= 2 * kLookNs) {
    older_ = newer_ = now;  // what was before is another herd
  } else if (now_ns - newer_.at_ns >= kLookNs) {
    older_ = newer_;
    newer_ = now;
  }
  const uint64_t let_in = std::max<uint64_t>(1, admitted - older_.admitted);
  const uint64_t seconds = (refused - older_.refused + let_in - 1) / let_in;
  return static_cast<int>(std::clamp<uint64_t>(seconds, kLeastSeconds, kMostSeconds));
}

}  // namespace weir::guard

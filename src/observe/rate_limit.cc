#include "observe/rate_limit.h"

#include <algorithm>
#include <utility>

namespace weir::observe {

std::optional<uint64_t> RateLimit::Take(std::string_view event, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (buckets_.size() >= kEventsMax && !buckets_.contains(event)) event = "log.other";
  Bucket& bucket = buckets_.try_emplace(event, Bucket{burst_, now_ns, 0}).first->second;
  const double seconds =
      static_cast<double>(std::max<int64_t>(now_ns - bucket.filled_ns, 0)) * 1e-9;
  bucket.tokens = std::min(burst_, bucket.tokens + seconds * per_second_);
  bucket.filled_ns = now_ns;
  if (bucket.tokens < 1) {
    ++bucket.held_back;
    ++suppressed_;
    return std::nullopt;
  }
  bucket.tokens -= 1;
  return std::exchange(bucket.held_back, 0);
}

uint64_t RateLimit::suppressed() const {
  const std::lock_guard lock(mutex_);
  return suppressed_;
}

}  // namespace weir::observe

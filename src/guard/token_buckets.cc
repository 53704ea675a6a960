#include "guard/token_buckets.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace weir::guard {
namespace {

constexpr size_t kWays = 8;
constexpr double kSecondNs = 1e9;

int64_t TokenNs(const Rate& rate) {
  WEIR_CHECK(rate.per_second > 0 && rate.burst >= 1);
  return std::max<int64_t>(1, std::llround(kSecondNs / rate.per_second));
}

}  // namespace

TokenBuckets::TokenBuckets(const Rate& rate, size_t keys_max)
    : token_ns_(TokenNs(rate)),
      capacity_ns_(token_ns_ * rate.burst),
      buckets_(std::bit_ceil(std::max(keys_max, kWays))) {}

TokenBuckets::Decision TokenBuckets::Take(uint64_t key, int64_t now_ns) {
  Bucket& bucket = Find(key);
  const int64_t full_at_ns = std::max(bucket.full_at_ns, now_ns);
  const int64_t after_ns = full_at_ns + token_ns_;
  Decision decision;
  decision.allowed = after_ns - now_ns <= capacity_ns_;
  bucket = {.key = key, .full_at_ns = decision.allowed ? after_ns : full_at_ns};
  decision.full_in_ns = bucket.full_at_ns - now_ns;
  decision.remaining = std::max<int64_t>(0, capacity_ns_ - decision.full_in_ns) / token_ns_;
  if (!decision.allowed) decision.retry_after_ns = after_ns - now_ns - capacity_ns_;
  return decision;
}

TokenBuckets::Bucket& TokenBuckets::Find(uint64_t key) {
  const size_t set = key & (buckets_.size() / kWays - 1);
  const auto first = buckets_.begin() + static_cast<ptrdiff_t>(set * kWays);
  const auto end = first + kWays;
  const auto found = std::find_if(first, end, [key](const Bucket& b) { return b.key == key; });
  if (found != end) return *found;
  Bucket& fullest = *std::min_element(
      first, end, [](const Bucket& a, const Bucket& b) { return a.full_at_ns < b.full_at_ns; });
  fullest = {.key = key};
  return fullest;
}

}  // namespace weir::guard

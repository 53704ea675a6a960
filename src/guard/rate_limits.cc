#include "guard/rate_limits.h"

#include "base/keyed_hash.h"

namespace weir::guard {

std::string_view Name(LimitKind kind) {
  constexpr std::array<std::string_view, kLimitKinds> kNames = {"address", "token", "study",
                                                                "route"};
  return kNames[static_cast<size_t>(kind)];
}

RateLimits::RateLimits(const RateLimitOptions& options, uint64_t secret) : secret_(secret) {
  Configure(options);
}

void RateLimits::Configure(const RateLimitOptions& options) {
  for (size_t i = 0; i < kLimitKinds; ++i) {
    Kind& kind = kinds_[i];
    const std::lock_guard lock(kind.mutex);
    if (kind.rate == options.rates[i] && kind.keys_max == options.keys_max) continue;
    kind.rate = options.rates[i];
    kind.keys_max = options.keys_max;
    kind.buckets = kind.rate.per_second > 0
                       ? std::make_unique<TokenBuckets>(kind.rate, options.keys_max)
                       : nullptr;
    kind.on.store(kind.buckets != nullptr, std::memory_order_relaxed);
  }
}

RateLimits::Decision RateLimits::Take(LimitKind kind, std::string_view key, int64_t now_ns) {
  Kind& of = Of(kind);
  const uint64_t hash = base::KeyedHash(secret_, key);
  const std::lock_guard lock(of.mutex);
  Decision decision;
  if (!of.buckets) {
    decision.allowed = true;
    return decision;
  }
  static_cast<TokenBuckets::Decision&>(decision) = of.buckets->Take(hash, now_ns);
  decision.rate = of.rate;
  if (!decision.allowed) of.refused.fetch_add(1, std::memory_order_relaxed);
  return decision;
}

}  // namespace weir::guard

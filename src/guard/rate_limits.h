// How many requests a second each address, token, study and route may send.
//
// One for all loops: a token's connections are spread over them. Each kind has its own buckets
// (token_buckets.h), in memory that does not grow with the number of keys. Configure() begins with
// full buckets for the kinds whose rate changed.
//
// Times are steady nanoseconds. Threads: any; a lock per kind, and none for a kind without a limit.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

#include "guard/token_buckets.h"

namespace weir::guard {

enum class LimitKind : uint8_t { kAddress, kToken, kStudy, kRoute };
inline constexpr size_t kLimitKinds = 4;
std::string_view Name(LimitKind kind);

struct RateLimitOptions {
  std::array<Rate, kLimitKinds> rates{};  // per_second 0: no limit
  size_t keys_max = 65'536;               // of each kind
  bool operator==(const RateLimitOptions&) const = default;
};

class RateLimits {
 public:
  // `secret` keys the hashes, so that nobody can choose to share another's bucket.
  RateLimits(const RateLimitOptions& options, uint64_t secret);

  void Configure(const RateLimitOptions& options);

  bool Limits(LimitKind kind) const { return Of(kind).on.load(std::memory_order_relaxed); }
  struct Decision : TokenBuckets::Decision {
    Rate rate;  // that holds
  };
  // Only for a kind that is limited; allowed if it is not any more.
  Decision Take(LimitKind kind, std::string_view key, int64_t now_ns);
  uint64_t refused(LimitKind kind) const {
    return Of(kind).refused.load(std::memory_order_relaxed);
  }

 private:
  struct Kind {
    std::atomic<bool> on{false};
    std::atomic<uint64_t> refused{0};
    std::mutex mutex;
    Rate rate;  // guarded by mutex, likewise below
    size_t keys_max = 0;
    std::unique_ptr<TokenBuckets> buckets;
  };
  Kind& Of(LimitKind kind) { return kinds_[static_cast<size_t>(kind)]; }
  const Kind& Of(LimitKind kind) const { return kinds_[static_cast<size_t>(kind)]; }

  const uint64_t secret_;
  std::array<Kind, kLimitKinds> kinds_;
};

}  // namespace weir::guard

// A token bucket for each key, in memory that is fixed when it is made.
//
// Each bucket holds `burst` tokens and gains `rate` of them a second. It is kept as the one instant
// at which it would be full again (the generic cell rate algorithm, ITU-T I.371), so a full bucket
// and one never seen are the same. A new key takes a place among eight that its hash names, from
// the fullest bucket there: what is lost is at most the debt of the key that spent least.
//
// Keys are hashes of 64 bits, keyed by the caller so that nobody can choose them. Times are steady
// nanoseconds. Threads: the owner serialises calls. Memory: 16 bytes × `keys_max`, rounded up to a
// power of two. No call allocates.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weir::guard {

struct Rate {
  double per_second = 0;  // above 0
  int64_t burst = 1;      // at least 1
  bool operator==(const Rate&) const = default;
};

class TokenBuckets {
 public:
  TokenBuckets(const Rate& rate, size_t keys_max);

  struct Decision {
    bool allowed = false;
    int64_t remaining = 0;       // tokens left, for the RateLimit field
    int64_t full_in_ns = 0;      // until the bucket is full again
    int64_t retry_after_ns = 0;  // until a token is there; 0 if allowed
  };
  Decision Take(uint64_t key, int64_t now_ns);

 private:
  struct Bucket {
    uint64_t key = 0;
    int64_t full_at_ns = INT64_MIN;
  };

  Bucket& Find(uint64_t key);

  const int64_t token_ns_;     // in which one token is gained
  const int64_t capacity_ns_;  // of `burst` tokens
  std::vector<Bucket> buckets_;
};

}  // namespace weir::guard

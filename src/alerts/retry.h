// When a delivery is tried again, and when it has ended. Pure: time and randomness are arguments.
#pragma once

#include <cstdint>

namespace weir::alerts {

struct RetryOptions {
  int min_ms = 1'000;    // bound of the first wait
  int max_ms = 300'000;  // bound of every wait
  double factor = 2;     // from each bound to the next
  // A delivery that has been tried for so long, since it was due or since the program started,
  // whichever is later, is given up on. 0: never.
  int64_t give_up_after_ms = 86'400'000;
  // The longest that a target which fails is left alone, also by what is new.
  int target_pause_max_ms = 30'000;
  // The longest Retry-After that is believed.
  int retry_after_max_ms = 3'600'000;
};

// Full jitter: uniform between 0 and the bound of the wait after `failures` (from 1) failures, so
// that deliveries which failed together do not come back together. `random` is any number.
int64_t BackoffMs(const RetryOptions& options, uint32_t failures, uint64_t random);

enum class Answer : uint8_t {
  kDelivered,  // 2xx
  kRejected,   // 4xx but 408, 425 and 429: it will not be better next time
  kRetry,      // everything else
};
Answer Judge(int status);

}  // namespace weir::alerts

// When a delivery is tried again, and when it has ended. Pure.
#pragma once

#include <cstdint>

namespace weir::alerts {

struct RetryOptions {
  // See guard::BackoffMs.
  int min_ms = 1'000;    // bound of the first wait
  int max_ms = 300'000;  // bound of every wait
  // A delivery that has been tried for so long, since it was due or since the program started,
  // whichever is later, is given up on. 0: never.
  int64_t give_up_after_ms = 86'400'000;
  // The longest that a target which fails is left alone, also by what is new.
  int target_pause_max_ms = 30'000;
  // The longest Retry-After that is believed.
  int retry_after_max_ms = 3'600'000;
};

enum class Answer : uint8_t {
  kDelivered,  // 2xx
  kRejected,   // 4xx but 408, 425 and 429: it will not be better next time
  kRetry,      // everything else
};
Answer Judge(int status);

}  // namespace weir::alerts

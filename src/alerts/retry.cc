#include "alerts/retry.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace weir::alerts {

int64_t BackoffMs(const RetryOptions& options, uint32_t failures, uint64_t random) {
  const double grown = options.min_ms * std::pow(options.factor, std::max(failures, 1u) - 1.0);
  const double bound = std::min<double>(options.max_ms, grown);
  return static_cast<int64_t>(bound * base::ToFraction(random));
}

Answer Judge(int status) {
  if (status >= 200 && status < 300) return Answer::kDelivered;
  const bool later = status == 408 || status == 425 || status == 429;
  return status >= 400 && status < 500 && !later ? Answer::kRejected : Answer::kRetry;
}

}  // namespace weir::alerts

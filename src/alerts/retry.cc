#include "alerts/retry.h"

namespace weir::alerts {

Answer Judge(int status) {
  if (status >= 200 && status < 300) return Answer::kDelivered;
  const bool later = status == 408 || status == 425 || status == 429;
  return status >= 400 && status < 500 && !later ? Answer::kRejected : Answer::kRetry;
}

}  // namespace weir::alerts

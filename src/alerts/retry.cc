#include "alerts/retry.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace weir::alerts {

int64_t BackoffMs(const RetryOptions& options, uint32_t failures, uint64_t random) {
  const double grown = options.min_ms * std::pow(options.factor, std::max(failures, 1u) - 1.0);
  const double bound = std::min<double>(options.max_ms, grown);
  // The upper 53 bits as a fraction in [0, 1).
  const double fraction = static_cast<double>(random >> 11) * 0x1p-53;
  return static_cast<int64_t>(bound * fraction);
}

Answer Judge(int status) {
  if (status >= 200 && status < 300) return Answer::kDelivered;
  const bool later = status == 408 || status == 425 || status == 429;
  return status >= 400 && status < 500 && !later ? Answer::kRejected : Answer::kRetry;
}

std::optional<int64_t> ParseRetryAfter(std::string_view value, int64_t now_ms) {
  uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error == std::errc() && end == value.data() + value.size()) return int64_t{seconds} * 1000;
  // "Sun, 06 Nov 1994 08:49:37 GMT": the only form that a sender may still use.
  const std::string text(value);
  tm fields{};
  const char* const rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &fields);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return std::max<int64_t>(0, int64_t{timegm(&fields)} * 1000 - now_ms);
}

}  // namespace weir::alerts

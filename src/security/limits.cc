#include "security/limits.h"

#include <algorithm>
#include <cmath>

#include "base/json_writer.h"
#include "net/problem.h"

namespace weir::security {
namespace {

int Seconds(int64_t ns) {
  return static_cast<int>(std::clamp<int64_t>((ns + 999'999'999) / 1'000'000'000, 1, 86'400));
}

}  // namespace

std::string RateLimitHeaders(guard::LimitKind kind, const guard::RateLimits::Decision& decision,
                             uint64_t random) {
  const std::string name(guard::Name(kind));
  const auto window =
      std::max(1.0, std::ceil(static_cast<double>(decision.rate.burst) / decision.rate.per_second));
  const int wait = Seconds(decision.retry_after_ns);
  return "RateLimit-Policy: \"" + name + "\";q=" + std::to_string(decision.rate.burst) +
         ";w=" + std::to_string(static_cast<int64_t>(window)) + "\r\nRateLimit: \"" + name +
         "\";r=" + std::to_string(decision.remaining) + ";t=" + std::to_string(wait) + "\r\n" +
         net::RetryAfter(wait, random);
}

std::string RateLimitDetail(guard::LimitKind kind, const guard::RateLimits::Decision& decision) {
  std::string rate;
  base::JsonWriter(rate).Number(decision.rate.per_second);
  return "this " + std::string(guard::Name(kind)) + " may send " + rate +
         " requests a second; send it again later";
}

}  // namespace weir::security

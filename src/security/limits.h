// The answer to a request that is over a rate limit.
#pragma once

#include <cstdint>
#include <string>

#include "guard/rate_limits.h"

namespace weir::security {

// 429's header lines: RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers), and
// Retry-After, jittered by `random` so that those who were refused together do not come back so.
std::string RateLimitHeaders(guard::LimitKind kind, const guard::RateLimits::Decision& decision,
                             uint64_t random);
// "this token sends more than 10 requests a second; send it again later".
std::string RateLimitDetail(guard::LimitKind kind, const guard::RateLimits::Decision& decision);

}  // namespace weir::security

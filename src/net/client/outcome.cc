#include "net/client/outcome.h"

#include <time.h>

#include <algorithm>
#include <string>

#include "base/number.h"

namespace weir::net {

guard::Outcome OutcomeOf(const base::Result<ClientResponse>& answer) {
  if (answer) return guard::ClassifyHttp(guard::CallEnd::kAnswered, answer->status);
  switch (answer.error().code) {
    case base::ErrorCode::kStopped:
      return guard::ClassifyHttp(guard::CallEnd::kCancelled, 0);
    case base::ErrorCode::kDeadline:
      return guard::ClassifyHttp(guard::CallEnd::kTimedOut, 0);
    default:
      return guard::ClassifyHttp(guard::CallEnd::kNotConnected, 0);
  }
}

std::optional<int64_t> ParseRetryAfter(std::string_view value, int64_t now_ms) {
  if (const auto seconds = base::ParseNumber<uint32_t>(value)) return int64_t{*seconds} * 1000;
  // "Sun, 06 Nov 1994 08:49:37 GMT": the only form that a sender may still use.
  const std::string text(value);
  tm fields{};
  const char* const rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &fields);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return std::max<int64_t>(0, int64_t{timegm(&fields)} * 1000 - now_ms);
}

}  // namespace weir::net

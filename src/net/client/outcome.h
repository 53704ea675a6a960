// What an answer, or the lack of one, says about the calls that follow it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "guard/breaker.h"
#include "net/client/client.h"

namespace weir::net {

// For a breaker around the client: `answer` is what Client::Done was given. A call that the client
// cancelled because it is going away says nothing.
guard::Outcome OutcomeOf(const base::Result<ClientResponse>& answer);

// Retry-After in seconds or as an HTTP date (RFC 9110, 10.2.3), as milliseconds from `now_ms`;
// never negative. Nothing if it is neither.
std::optional<int64_t> ParseRetryAfter(std::string_view value, int64_t now_ms);

}  // namespace weir::net

// Errors as RFC 9457 problem details (application/problem+json).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::net {

// The `type` of every problem is this, and a stable word: "/problems/invalid-report". What each
// means and what to do about it is listed in docs/openapi.yaml.
inline constexpr std::string_view kProblemTypePrefix = "/problems/";
inline constexpr std::string_view kProblemContentType = "application/problem+json";

// "Bad Request"; "Unknown" for a status that is not registered.
std::string_view StatusText(int status);

// `members` is further JSON members, "\"errors\":[…]", or empty. `detail` is a sentence that says
// what to change, and never holds a patient's data.
std::string ProblemJson(int status, std::string_view type, std::string_view detail,
                        std::string_view trace_id, std::string_view members = {});

// "Retry-After: N\r\n".
std::string RetryAfter(int seconds);
// With N between `seconds` and twice that, at least two more, so that a herd that was refused
// together does not come back together. `random` is any number.
std::string RetryAfter(int seconds, uint64_t random);

}  // namespace weir::net

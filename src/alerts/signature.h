// The signature of a webhook: who receives it can tell that we sent it, and when.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::alerts {

// The value of Weir-Signature: "t=<unix seconds>,sha256=<hexadecimal HMAC-SHA256 over
// "<t>.<body>">".
std::string Sign(std::string_view secret, int64_t unix_seconds, std::string_view body);

}  // namespace weir::alerts

// SHA-256 and HMAC-SHA256 (FIPS 180-4, RFC 2104), through OpenSSL's implementation. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace weir::base {

struct Digest {
  std::array<uint8_t, 32> bytes{};
  auto operator<=>(const Digest&) const = default;
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string hex() const;
};

Digest Sha256(std::string_view bytes);
// Of the concatenation of `parts`, without building it.
Digest Sha256(std::initializer_list<std::string_view> parts);
Digest HmacSha256(std::string_view key, std::string_view bytes);

// Takes the same time whatever the contents; false at once only for different sizes.
bool EqualInConstantTime(std::string_view a, std::string_view b);

}  // namespace weir::base

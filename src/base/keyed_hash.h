// Hashes that spread keys which others choose over a table.
#pragma once

#include <cstdint>
#include <random>
#include <string_view>

namespace weir::base {

// For KeyedHash: one of a table's own, so that nobody can choose keys that fall together.
inline uint64_t DrawSecret() {
  std::random_device device;
  return device() | uint64_t{device()} << 32;
}

// All 64 bits depend on the secret and on each byte. Not for authentication.
constexpr uint64_t KeyedHash(uint64_t secret, std::string_view key) {
  uint64_t hash = secret;
  for (const char c : key) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 29;
  }
  return hash ^ hash >> 32;
}

}  // namespace weir::base

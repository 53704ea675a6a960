// An entry of the dedupe index, as it is in memory and in run files (docs/formats/index.md).
#pragma once

#include <compare>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "journal/admission.h"
#include "journal/record.h"

namespace weir::journal {

// Ordered by key, then by offset.
struct KeyEntry {
  Key key;
  Digest sha256;
  uint64_t place = 0;  // the offset, shifted left by one; the lowest bit: conflicting

  static KeyEntry Of(const Key& key, const Digest& sha256, Offset offset, bool conflicting) {
    return {key, sha256, offset.value() << 1 | (conflicting ? 1 : 0)};
  }
  Offset offset() const { return Offset(place >> 1); }
  bool conflicting() const { return (place & 1) != 0; }
  KnownBody body() const { return {sha256, offset(), conflicting()}; }

  bool operator<(const KeyEntry& other) const {
    const int keys = std::memcmp(key.bytes.data(), other.key.bytes.data(), key.bytes.size());
    return keys != 0 ? keys < 0 : place < other.place;
  }
};
static_assert(sizeof(KeyEntry) == 56 && std::is_trivially_copyable_v<KeyEntry>);

// The first eight bytes as a number that orders keys as their bytes do.
inline uint64_t KeyPrefix(const Key& key) {
  uint64_t value;
  std::memcpy(&value, key.bytes.data(), sizeof value);
  return __builtin_bswap64(value);
}

}  // namespace weir::journal

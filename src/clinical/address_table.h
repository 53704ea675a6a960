// Maps addresses (link ids without a leading '/') to numbers: built once, then only read. Looking
// one up costs a few nanoseconds and allocates nothing.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::clinical {

class AddressTable {
 public:
  static constexpr int32_t kNone = -1;

  // The first entry of two with the same address stays. No entry's number is kNone.
  explicit AddressTable(const std::vector<std::pair<std::string, int32_t>>& entries = {})
      : slots_(std::bit_ceil(entries.size() * 2 + 1)) {
    for (const auto& [address, number] : entries) {
      Slot& slot = slots_[Find(address)];
      if (slot.number == kNone) slot = {address, number};
    }
  }

  int32_t operator[](std::string_view address) const { return slots_[Find(address)].number; }

 private:
  struct Slot {
    std::string address;
    int32_t number = kNone;
  };

  // The slot that holds the address, or the free one where it would stand. Half the slots at least
  // are free, so the search ends.
  size_t Find(std::string_view address) const {
    const size_t mask = slots_.size() - 1;
    size_t at = Hash(address) & mask;
    while (slots_[at].number != kNone && slots_[at].address != address) at = (at + 1) & mask;
    return at;
  }

  static uint64_t Hash(std::string_view text) {
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
    uint64_t hash = text.size() * kOdd;
    while (text.size() > 8) {
      hash = Mix(hash, text.data(), 8);
      text.remove_prefix(8);
    }
    if (!text.empty()) hash = Mix(hash, text.data(), text.size());
    return hash ^ hash >> 32;
  }
  static uint64_t Mix(uint64_t hash, const char* bytes, size_t size) {
    constexpr uint64_t kOdd = 0xff51afd7ed558ccd;
    uint64_t word = 0;
    std::memcpy(&word, bytes, size);
    hash = (hash ^ word) * kOdd;
    return hash ^ hash >> 29;
  }

  std::vector<Slot> slots_;
};

}  // namespace weir::clinical

#include "journal/recent_table.h"

#include <bit>

#include "base/check.h"

namespace weir::journal {

RecentTable::RecentTable(size_t capacity, uint64_t seed)
    : entries_(capacity),
      // At most three quarters full: a look-up of a new key then reads two or three slots.
      mask_(std::bit_ceil(capacity + capacity / 3 + 1) - 1),
      seed_(seed) {
  WEIR_CHECK(capacity < 0xffffffffu);
  slots_ = std::make_unique<std::atomic<uint64_t>[]>(mask_ + 1);
}

size_t RecentTable::memory_bytes() const {
  return entries_.size() * sizeof(KeyEntry) + (mask_ + 1) * sizeof(slots_[0]);
}

void RecentTable::Insert(const KeyEntry& entry, uint64_t hash) {
  const size_t number = size();
  WEIR_CHECK(number < entries_.size());
  entries_[number] = entry;
  size_t at = hash & mask_;
  while (slots_[at].load(std::memory_order_relaxed) != 0) at = (at + 1) & mask_;
  slots_[at].store((hash >> 32) << 32 | (number + 1), std::memory_order_release);
  size_.store(number + 1, std::memory_order_release);
}

void RecentTable::Clear() {
  for (size_t at = 0; at <= mask_; ++at) slots_[at].store(0, std::memory_order_relaxed);
  size_.store(0, std::memory_order_release);
}

}  // namespace weir::journal

// The newest entries of the dedupe index, in memory of fixed size: entries in order of their
// offsets, and an open-addressed table of their numbers.
//
// Threads: the journal's thread changes it; any other may look entries up meanwhile, but not during
// Clear(), which the caller keeps apart from look-ups.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "journal/filter.h"
#include "journal/key_entry.h"

namespace weir::journal {

class RecentTable {
 public:
  // All of its memory is touched at once, so that the process does not grow while the table fills.
  RecentTable(size_t capacity, uint64_t seed);

  size_t capacity() const { return entries_.size(); }
  size_t size() const { return size_.load(std::memory_order_acquire); }
  bool full() const { return size() == capacity(); }
  size_t memory_bytes() const;
  // In order of insertion.
  std::span<const KeyEntry> entries() const { return {entries_.data(), size()}; }

  // Of a key, under the seed: the same for all tables of one seed.
  uint64_t Hash(const Key& key) const { return HashKey(key, seed_); }

  // Brings the place where a key is looked for into the cache.
  void Prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }

  // Not when full(). `hash` is Hash(entry.key).
  void Insert(const KeyEntry& entry, uint64_t hash);
  void Clear();

  // Calls visit(entry) for each entry under the key, whose Hash() is `hash`.
  template <class Visit>
  void ForEach(const Key& key, uint64_t hash, Visit visit) const {
    for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
      const uint64_t slot = slots_[at].load(std::memory_order_acquire);
      if (slot == 0) return;
      if (slot >> 32 != hash >> 32) continue;
      const KeyEntry& entry = entries_[(slot & 0xffffffffu) - 1];
      if (entry.key == key) visit(entry);
    }
  }

 private:
  std::vector<KeyEntry> entries_;
  // The upper half of the key's hash, and the entry's number plus one; 0: free.
  std::unique_ptr<std::atomic<uint64_t>[]> slots_;
  size_t mask_;
  uint64_t seed_;
  std::atomic<size_t> size_{0};
};

}  // namespace weir::journal

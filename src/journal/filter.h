// A set of keys in 10.5 bits each that never forgets one and, asked for another, says "maybe" once
// in 512: a binary fuse filter of arity 3 with fingerprints of 9 bits (Graf and Lemire, "Binary
// Fuse Filters: Fast and Smaller Than Xor Filters", 2022). Layout of the stored bytes:
// docs/formats/index.md.
//
// Nine bits, for eight would send twice as many new keys to the disk, and ten would cost 0.15 bytes
// a key more without sparing a report in a thousand.
//
// The hash of a key depends on the filter's seed, so nobody who can choose keys can choose ones
// that make building it fail. Where it fails all the same, the filter says "maybe" to everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "journal/page_memory.h"
#include "journal/record.h"

namespace weir::journal {

// Uniform over 64 bits for keys that are uniform over 128; which keys collide depends on the seed.
uint64_t HashKey(const Key& key, uint64_t seed);

// What a look-up needs, without owning it.
struct FilterView {
  uint64_t seed = 0;
  uint32_t segment_length = 0;   // a power of two; 0: the filter says "maybe" to everything
  uint32_t first_positions = 0;  // the number of values that a key's first position can take
  const char* fingerprints = nullptr;

  bool MayContain(const Key& key) const;
  // Brings what MayContain() reads into the cache.
  void Prefetch(const Key& key) const;
};

// Immutable; moved, not copied.
class KeyFilter {
 public:
  KeyFilter() = default;  // "maybe" to everything

  // Valid as long as this filter, also after a move.
  FilterView view() const;
  bool MayContain(const Key& key) const { return view().MayContain(key); }
  size_t memory_bytes() const { return fingerprints_.size(); }

  void AppendTo(std::string& out) const;
  // All of `bytes`, as AppendTo() wrote them. kCorruption: no filter is stored like this.
  static base::Result<KeyFilter> Parse(std::string_view bytes);

 private:
  friend class FilterBuilder;
  uint64_t seed_ = 0;
  uint32_t segment_length_ = 0;
  uint32_t first_positions_ = 0;
  PageMemory fingerprints_;
};

// Builds filters, one after the other, in memory that it holds from the start: 34 bytes for each of
// `keys_max` keys. One thread.
class FilterBuilder {
 public:
  explicit FilterBuilder(size_t keys_max);

  // Distinct keys, at most keys_max of them.
  KeyFilter Build(std::span<const Key> keys, uint64_t seed);

 private:
  bool Peel(std::span<const Key> keys, const KeyFilter& shape);
  void Assign(KeyFilter* filter) const;

  struct Peeled {
    uint64_t hash;
    uint32_t position;  // where the fingerprint is set that makes this key's three add up
  };
  std::vector<uint64_t> hashes_;  // by position: exclusive or of the hashes that use it
  std::vector<uint8_t> counts_;   // by position: how many do
  std::vector<uint32_t> lonely_;  // positions that one key used when they were put here
  std::vector<Peeled> peeled_;
  size_t peeled_count_ = 0;
};

}  // namespace weir::journal

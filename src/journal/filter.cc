#include "journal/filter.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/bytes.h"
#include "base/check.h"

namespace weir::journal {
namespace {

__extension__ typedef unsigned __int128 Uint128;

constexpr uint32_t kFingerprintBits = 9;
constexpr uint32_t kFingerprintMask = (1u << kFingerprintBits) - 1;
// Each attempt at 1.13 positions a key fails less than once in ten; small sets somewhat more often.
constexpr int kAttemptsMax = 200;

struct Shape {
  uint32_t segment_length;
  uint32_t first_positions;
  uint32_t positions() const { return first_positions + 2 * segment_length; }
};

// The paper's formulas for arity 3: a segment's length, and positions per key.
Shape ShapeFor(size_t keys) {
  const double size = static_cast<double>(std::max<size_t>(keys, 2));
  const int exponent = static_cast<int>(std::floor(std::log(size) / std::log(3.33) + 2.25));
  const uint32_t length = 1u << std::min(exponent, 18);
  const double factor = std::max(1.125, 0.875 + 0.25 * std::log(1e6) / std::log(size));
  const auto capacity = static_cast<uint64_t>(std::llround(size * factor));
  const uint64_t segments = (capacity + length - 1) / length;
  return {length, static_cast<uint32_t>(segments > 3 ? segments - 2 : 1) * length};
}

size_t FingerprintBytes(const Shape& shape) {
  // One byte more: a fingerprint is read as 16 bits.
  return (uint64_t{shape.positions()} * kFingerprintBits + 7) / 8 + 1;
}

std::array<uint32_t, 3> Positions(uint64_t hash, uint32_t segment_length,
                                  uint32_t first_positions) {
  const auto first = static_cast<uint32_t>((static_cast<Uint128>(hash) * first_positions) >> 64);
  const uint32_t mask = segment_length - 1;
  const auto low = static_cast<uint32_t>(hash);
  return {first, (first + segment_length) ^ (static_cast<uint32_t>(hash >> 18) & mask),
          (first + 2 * segment_length) ^ (low & mask)};
}

uint32_t Fingerprint(uint64_t hash) {
  return static_cast<uint32_t>(hash ^ (hash >> 32)) & kFingerprintMask;
}

uint32_t Load(const char* fingerprints, uint32_t position) {
  const uint64_t bit = uint64_t{position} * kFingerprintBits;
  return base::GetInt<uint16_t>(fingerprints + bit / 8) >> (bit % 8) & kFingerprintMask;
}

void Store(char* fingerprints, uint32_t position, uint32_t value) {
  const uint64_t bit = uint64_t{position} * kFingerprintBits;
  char* const at = fingerprints + bit / 8;
  const uint32_t old = base::GetInt<uint16_t>(at) & ~(kFingerprintMask << (bit % 8));
  base::PutInt(at, static_cast<uint16_t>(old | value << (bit % 8)));
}

}  // namespace

uint64_t HashKey(const Key& key, uint64_t seed) {
  const auto* bytes = reinterpret_cast<const char*>(key.bytes.data());
  const uint64_t a = base::GetInt<uint64_t>(bytes) ^ seed ^ 0x9e3779b97f4a7c15u;
  const uint64_t b = base::GetInt<uint64_t>(bytes + 8) ^ std::rotl(seed, 29);
  const Uint128 product = static_cast<Uint128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

void FilterView::Prefetch(const Key& key) const {
  if (segment_length == 0) return;
  const uint64_t hash = HashKey(key, seed);
  for (const uint32_t position : Positions(hash, segment_length, first_positions)) {
    __builtin_prefetch(fingerprints + uint64_t{position} * kFingerprintBits / 8);
  }
}

bool FilterView::MayContain(const Key& key) const {
  if (segment_length == 0) return true;
  const uint64_t hash = HashKey(key, seed);
  const auto at = Positions(hash, segment_length, first_positions);
  return (Load(fingerprints, at[0]) ^ Load(fingerprints, at[1]) ^ Load(fingerprints, at[2])) ==
         Fingerprint(hash);
}

FilterView KeyFilter::view() const {
  return {seed_, segment_length_, first_positions_, fingerprints_.data()};
}

void KeyFilter::AppendTo(std::string& out) const {
  base::AppendInt(out, seed_);
  base::AppendInt(out, segment_length_);
  base::AppendInt(out, first_positions_);
  out.append(fingerprints_.data(), fingerprints_.size());
}

base::Result<KeyFilter> KeyFilter::Parse(std::string_view bytes) {
  base::ByteReader reader(bytes);
  KeyFilter filter;
  filter.seed_ = reader.Int<uint64_t>();
  const Shape shape{reader.Int<uint32_t>(), reader.Int<uint32_t>()};
  const bool everything = shape.segment_length == 0 && shape.first_positions == 0;
  const bool sound =
      everything ? reader.rest().empty()
                 : std::has_single_bit(shape.segment_length) && shape.segment_length <= 1u << 18 &&
                       shape.first_positions > 0 && shape.first_positions < 1u << 30 &&
                       shape.first_positions % shape.segment_length == 0 &&
                       reader.rest().size() == FingerprintBytes(shape);
  if (!reader.ok() || !sound) {
    return base::Fail(base::ErrorCode::kCorruption, "a filter's shape is not one that was written");
  }
  filter.segment_length_ = shape.segment_length;
  filter.first_positions_ = shape.first_positions;
  filter.fingerprints_ = PageMemory(reader.rest().size());
  std::copy(reader.rest().begin(), reader.rest().end(), filter.fingerprints_.data());
  return filter;
}

FilterBuilder::FilterBuilder(size_t keys_max) : peeled_(keys_max) {
  // Positions per key fall with the number of keys, but positions themselves never do by more than
  // the rounding to a segment.
  const Shape shape = ShapeFor(keys_max);
  const size_t positions = shape.positions() + 2 * shape.segment_length;
  hashes_.resize(positions);
  counts_.resize(positions);
  lonely_.resize(positions);
}

// Takes away, one by one, keys that have a position for themselves; true if none is left. In the
// reverse of that order every key finds its own position still free.
bool FilterBuilder::Peel(std::span<const Key> keys, const KeyFilter& shape) {
  const uint32_t length = shape.segment_length_;
  const uint32_t first = shape.first_positions_;
  const uint32_t positions = first + 2 * length;
  std::fill_n(hashes_.begin(), positions, 0);
  std::fill_n(counts_.begin(), positions, 0);
  for (const Key& key : keys) {
    const uint64_t hash = HashKey(key, shape.seed_);
    for (const uint32_t at : Positions(hash, length, first)) {
      hashes_[at] ^= hash;
      if (++counts_[at] == 0) return false;
    }
  }
  size_t lonely = 0;
  for (uint32_t at = 0; at < positions; ++at) {
    if (counts_[at] == 1) lonely_[lonely++] = at;
  }
  peeled_count_ = 0;
  while (lonely > 0) {
    const uint32_t position = lonely_[--lonely];
    if (counts_[position] != 1) continue;
    const uint64_t hash = hashes_[position];
    peeled_[peeled_count_++] = {hash, position};
    for (const uint32_t at : Positions(hash, length, first)) {
      hashes_[at] ^= hash;
      if (--counts_[at] == 1) lonely_[lonely++] = at;
    }
  }
  return peeled_count_ == keys.size();
}

void FilterBuilder::Assign(KeyFilter* filter) const {
  char* const to = filter->fingerprints_.data();
  for (size_t i = peeled_count_; i-- > 0;) {
    const auto& [hash, position] = peeled_[i];
    uint32_t value = Fingerprint(hash);
    for (const uint32_t at : Positions(hash, filter->segment_length_, filter->first_positions_)) {
      value ^= Load(to, at);
    }
    Store(to, position, value);
  }
}

KeyFilter FilterBuilder::Build(std::span<const Key> keys, uint64_t seed) {
  WEIR_CHECK(keys.size() <= peeled_.size());
  const Shape shape = ShapeFor(keys.size());
  WEIR_CHECK(shape.positions() <= hashes_.size());
  KeyFilter filter;
  filter.segment_length_ = shape.segment_length;
  filter.first_positions_ = shape.first_positions;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    filter.seed_ = seed + static_cast<uint64_t>(attempt) * 0x9e3779b97f4a7c15u;
    if (!Peel(keys, filter)) continue;
    filter.fingerprints_ = PageMemory(FingerprintBytes(shape));
    Assign(&filter);
    return filter;
  }
  return KeyFilter();
}

}  // namespace weir::journal

#include "tools/surge/plan.h"

#include <cmath>
#include <cstring>

#include "base/check.h"

namespace weir::surge {
namespace {

constexpr std::string_view kPhq9Items[] = {"44250-9", "44255-8", "44259-0", "44254-1", "44251-7",
                                           "44258-2", "44252-5", "44253-3", "44260-8"};
constexpr std::string_view kGad7Items[] = {"69725-0", "68509-9", "69733-4", "69734-2",
                                           "69735-9", "69689-8", "69736-7"};
constexpr Instrument kPhq9{"phq9", kPhq9Items};
constexpr Instrument kGad7{"gad7", kGad7Items};
constexpr Instrument kText{"", {}};

// The finaliser of MurmurHash3 (public domain): a bijection of 64 bits, so that different indexes
// have different ids, and its inverse finds the index of an id.
constexpr uint64_t kFirst = 0xff51afd7ed558ccdULL;
constexpr uint64_t kSecond = 0xc4ceb9fe1a85ec53ULL;

constexpr uint64_t Mix(uint64_t x) {
  x ^= x >> 33;
  x *= kFirst;
  x ^= x >> 33;
  x *= kSecond;
  x ^= x >> 33;
  return x;
}

// Newton's iteration for the inverse of an odd number modulo 2^64.
constexpr uint64_t Inverse(uint64_t odd) {
  uint64_t inverse = odd;
  for (int i = 0; i < 5; ++i) inverse *= 2 - odd * inverse;
  return inverse;
}

constexpr uint64_t Unmix(uint64_t x) {
  x ^= x >> 33;
  x *= Inverse(kSecond);
  x ^= x >> 33;
  x *= Inverse(kFirst);
  x ^= x >> 33;
  return x;
}
static_assert(Unmix(Mix(12345)) == 12345);

struct HexPairs {
  char pairs[256][2];
  constexpr HexPairs() : pairs() {
    for (int i = 0; i < 256; ++i) {
      pairs[i][0] = "0123456789abcdef"[i >> 4];
      pairs[i][1] = "0123456789abcdef"[i & 15];
    }
  }
};
constexpr HexPairs kHex;

void WriteHex(uint64_t value, char* to) {
  for (int i = 7; i >= 0; --i, value >>= 8) std::memcpy(to + 2 * i, kHex.pairs[value & 255], 2);
}

std::optional<uint64_t> ReadHex(std::string_view text) {
  uint64_t value = 0;
  for (const char c : text) {
    int digit;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else {
      return std::nullopt;
    }
    value = value << 4 | static_cast<uint64_t>(digit);
  }
  return value;
}

uint64_t Below(double share) { return static_cast<uint64_t>(std::lround(share * 4294967296.0)); }

// The rules of the shipped instruments, on one report alone.
Level LevelFor(const Instrument& instrument, std::span<const uint8_t> scores) {
  int total = 0;
  for (const uint8_t score : scores) total += score;
  if (instrument.name == "phq9" && (scores[8] > 0 || total >= 20)) return Level::kUrgent;
  if (instrument.name == "gad7" && total >= 15) return Level::kUrgent;
  return total >= 10 ? Level::kElevated : Level::kNone;
}

}  // namespace

const Instrument& FindInstrument(std::string_view name) {
  if (name == "phq9") return kPhq9;
  if (name == "gad7") return kGad7;
  WEIR_CHECK_MSG(name == "text", name);
  return kText;
}

Plan::Plan(const PlanOptions& options)
    : options_(options),
      instrument_(FindInstrument(options.instrument)),
      high_key_(Mix(options.seed ^ 0x9e3779b97f4a7c15ULL)),
      low_key_(Mix(options.seed ^ 0xd1b54a32d192ed03ULL)),
      patient_key_(Mix(options.seed ^ 0x8cb92ba72f3d8dd7ULL)),
      urgent_below_(Below(options.urgent_share)),
      elevated_below_(urgent_below_ + Below(options.elevated_share)),
      repeat_below_(Below(options.resend)) {
  WEIR_CHECK(options_.patients > 0);
  MakeVariants();
}

void Plan::WriteReportId(uint64_t index, char* to) const {
  const uint64_t high = Mix(index + high_key_);
  WriteHex(high, to);
  WriteHex(Mix(high ^ low_key_), to + 16);
}

std::optional<uint64_t> Plan::IndexOf(std::string_view report_id) const {
  if (report_id.size() != kReportIdBytes) return std::nullopt;
  const auto high = ReadHex(report_id.substr(0, 16));
  const auto low = ReadHex(report_id.substr(16));
  if (!high || !low || *low != Mix(*high ^ low_key_)) return std::nullopt;
  return Unmix(*high) - high_key_;
}

std::string Plan::Describe(uint64_t index) const {
  char id[kReportIdBytes];
  WriteReportId(index, id);
  return "report " + std::to_string(index) + " (" + std::string(id, sizeof id) + ")";
}

void Plan::WritePatientId(uint64_t patient, char* to) const {
  WriteHex(Mix(patient + patient_key_), to);
}

uint64_t Plan::Draw(uint64_t index, uint64_t salt) const {
  return Mix((index + salt) ^ patient_key_);
}

Level Plan::LevelOf(uint64_t index) const {
  if (instrument_.name.empty()) return Level::kNone;
  const uint64_t draw = Draw(index, 1ull << 60) & 0xffffffff;
  if (draw < urgent_below_) return Level::kUrgent;
  return draw < elevated_below_ ? Level::kElevated : Level::kNone;
}

std::span<const uint8_t> Plan::Answers(uint64_t index) const {
  const auto& variants = variants_[static_cast<size_t>(LevelOf(index))];
  const Variant& variant = variants[Draw(index, 2ull << 60) % kVariants];
  return {variant.data(), instrument_.link_ids.size()};
}

Plan::Repeat Plan::RepeatOf(uint64_t index) const {
  const uint64_t draw = Draw(index, 3ull << 60);
  if ((draw & 0xffffffff) >= repeat_below_) return Repeat::kNone;
  return draw >> 63 ? Repeat::kAtOnce : Repeat::kLater;
}

// Answers are drawn until they come out at the wanted level. Low scores are likelier, as they are
// among real patients, which also keeps the search short for every level.
void Plan::MakeVariants() {
  if (instrument_.name.empty()) return;
  const size_t items = instrument_.link_ids.size();
  uint64_t state = options_.seed;
  for (size_t level = 0; level < variants_.size(); ++level) {
    for (Variant& variant : variants_[level]) {
      const std::span<uint8_t> scores(variant.data(), items);
      do {
        const uint64_t bits = Mix(state += 0x9e3779b97f4a7c15ULL);
        for (size_t i = 0; i < items; ++i) {
          const auto score = static_cast<uint8_t>(bits >> (2 * i) & 3);
          scores[i] = level == 0 && (bits >> (32 + i) & 1) ? 0 : score;
        }
      } while (LevelFor(instrument_, scores) != static_cast<Level>(level));
    }
  }
}

}  // namespace weir::surge

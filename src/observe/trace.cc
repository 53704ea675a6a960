#include "observe/trace.h"

#include <sys/random.h>

#include <algorithm>
#include <set>
#include <span>

#include "base/bytes.h"
#include "base/check.h"
#include "base/random.h"
#include "base/sha256.h"

namespace weir::observe {
namespace {

template <size_t N>
std::string_view View(const std::array<uint8_t, N>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

template <size_t N>
bool IsZero(const std::array<uint8_t, N>& bytes) {
  return std::ranges::all_of(bytes, [](uint8_t byte) { return byte == 0; });
}

// The header's hexadecimal digits are lower-case only.
bool ReadHex(std::string_view text, std::span<uint8_t> out) {
  const bool lower = std::ranges::none_of(text, [](char c) { return c >= 'A' && c <= 'F'; });
  return lower && base::FromHex(text, out);
}

uint64_t Mix(uint64_t& state) {  // splitmix64 (Steele, Lea, Flood 2014): spreads a seed
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

constexpr size_t kStateBytesMax = 512;
constexpr size_t kStateMembersMax = 32;

std::string_view WithoutSpace(std::string_view text) {
  const size_t from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

bool IsLetter(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsKeyPart(std::string_view part, size_t most, bool digit_first) {
  if (part.empty() || part.size() > most) return false;
  if (!IsLetter(part[0]) && !(digit_first && IsDigit(part[0]))) return false;
  return std::ranges::all_of(part, [](char c) {
    return IsLetter(c) || IsDigit(c) || std::string_view("_-*/").find(c) != std::string_view::npos;
  });
}

// A vendor's name, or tenant@vendor (section 3.3.1.3.1).
bool IsStateKey(std::string_view key) {
  const size_t at = key.find('@');
  if (at == std::string_view::npos) return IsKeyPart(key, 256, false);
  return IsKeyPart(key.substr(0, at), 241, true) && IsKeyPart(key.substr(at + 1), 14, false);
}

// Section 3.3.1.3.2. Spaces at its end have been cut off.
bool IsStateValue(std::string_view value) {
  return !value.empty() && value.size() <= 256 && std::ranges::all_of(value, [](char c) {
    return c >= ' ' && c <= '~' && c != ',' && c != '=';
  });
}

}  // namespace

std::string TraceId::hex() const { return base::ToHex(View(bytes)); }

void TraceId::AppendHex(std::string& out) const { base::AppendHex(out, View(bytes)); }

void SpanId::AppendHex(std::string& out) const { base::AppendHex(out, view()); }

std::optional<TraceId> ParseTraceId(std::string_view hex) {
  TraceId id;
  if (!ReadHex(hex, id.bytes) || IsZero(id.bytes)) return std::nullopt;
  return id;
}

std::optional<SpanId> ParseSpanId(std::string_view bytes) {
  SpanId id;
  if (bytes.size() != id.bytes.size()) return std::nullopt;
  std::ranges::copy(bytes, id.bytes.begin());
  if (id.none()) return std::nullopt;
  return id;
}

SpanId DeriveSpan(const TraceContext& of, uint64_t number, std::string_view what) {
  char digits[sizeof number];
  base::PutInt(digits, number);
  const base::Digest digest = base::Sha256(
      {View(of.trace.bytes), of.parent.view(), std::string_view(digits, sizeof digits), what});
  SpanId id;
  std::copy_n(digest.bytes.begin(), id.bytes.size(), id.bytes.begin());
  if (id.none()) id.bytes[0] = 1;
  return id;
}

// version "-" trace-id "-" parent-id "-" flags; a later version may add "-" and more.
std::optional<TraceContext> ParseTraceparent(std::string_view header) {
  constexpr size_t kSize = 55;
  if (header.size() < kSize || header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return std::nullopt;
  }
  std::array<uint8_t, 1> version{}, flags{};
  TraceContext context;
  if (!ReadHex(header.substr(0, 2), version) ||
      !ReadHex(header.substr(3, 32), context.trace.bytes) ||
      !ReadHex(header.substr(36, 16), context.parent.bytes) ||
      !ReadHex(header.substr(53, 2), flags) || version[0] == 0xff) {
    return std::nullopt;
  }
  const bool longer = header.size() > kSize;
  if (longer && (version[0] == 0 || header[kSize] != '-')) return std::nullopt;
  if (IsZero(context.trace.bytes) || IsZero(context.parent.bytes)) return std::nullopt;
  context.sampled = (flags[0] & 1) != 0;
  return context;
}

std::string JoinTracestate(std::span<const std::string_view> headers) {
  std::string joined;
  std::set<std::string_view> keys;
  for (std::string_view rest : headers) {
    while (!rest.empty()) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const std::string_view member = WithoutSpace(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      if (member.empty()) continue;
      const size_t equals = member.find('=');
      if (equals == std::string_view::npos || !IsStateKey(member.substr(0, equals)) ||
          !IsStateValue(member.substr(equals + 1)) ||
          !keys.insert(member.substr(0, equals)).second) {
        return {};
      }
      if (!joined.empty()) joined += ',';
      if (joined.size() + member.size() > kStateBytesMax || keys.size() > kStateMembersMax)
        return {};
      joined += member;
    }
  }
  return joined;
}

std::string FormatTraceparent(const TraceContext& context) {
  std::string out = "00-";
  context.trace.AppendHex(out);
  out += '-';
  context.parent.AppendHex(out);
  out += context.sampled ? "-01" : "-00";
  return out;
}

TraceIds::TraceIds(uint64_t seed) {
  for (uint64_t& word : state_) word = Mix(seed);
}

TraceIds TraceIds::Seeded() {
  uint64_t seed = 0;
  WEIR_CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return TraceIds(seed);
}

// xoshiro256** (Blackman, Vigna 2018).
uint64_t TraceIds::Next() noexcept {
  const auto rotate = [](uint64_t x, int by) { return (x << by) | (x >> (64 - by)); };
  const uint64_t result = rotate(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotate(state_[3], 45);
  return result;
}

TraceId TraceIds::NextTrace() noexcept {
  TraceId id;
  do {
    base::PutInt(reinterpret_cast<char*>(id.bytes.data()), Next());
    base::PutInt(reinterpret_cast<char*>(id.bytes.data()) + 8, Next());
  } while (IsZero(id.bytes));
  return id;
}

SpanId TraceIds::NextSpan() noexcept {
  SpanId id;
  do {
    base::PutInt(reinterpret_cast<char*>(id.bytes.data()), Next());
  } while (IsZero(id.bytes));
  return id;
}

bool TraceIds::Sample(double share) noexcept {
  return share > 0 && base::ToFraction(Next()) < share;
}

TraceId TraceOf(std::string_view traceparent, TraceIds& ids) {
  const auto context = ParseTraceparent(traceparent);
  return context ? context->trace : ids.NextTrace();
}

}  // namespace weir::observe

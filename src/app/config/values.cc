#include "app/config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <span>
#include <vector>

#include "base/number.h"

namespace weir::config {
namespace {

using base::ErrorCode;
using base::Fail;

struct Unit {
  std::string_view name;
  int64_t factor;
};
// From large to small, so that the first exact one is the largest.
constexpr std::array kDurations = {Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000},
                                   Unit{"s", 1000}, Unit{"ms", 1}};
constexpr std::array kBinary = {Unit{"TiB", int64_t{1} << 40}, Unit{"GiB", 1 << 30},
                                Unit{"MiB", 1 << 20}, Unit{"KiB", 1 << 10}, Unit{"B", 1}};
constexpr std::array kDecimal = {Unit{"TB", 1'000'000'000'000}, Unit{"GB", 1'000'000'000},
                                 Unit{"MB", 1'000'000}, Unit{"KB", 1000}, Unit{"kB", 1000}};

// An integer and one of the units; 1 without a unit.
base::Result<int64_t> Scaled(std::string_view text, std::span<const Unit> units,
                             std::string_view expected) {
  const auto bad = [&] { return Fail(ErrorCode::kInvalidArgument, std::string(expected)); };
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return bad();
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  if (unit.empty()) return number;
  const auto found = std::ranges::find(units, unit, &Unit::name);
  int64_t scaled = 0;
  if (found == units.end() || __builtin_mul_overflow(number, found->factor, &scaled)) return bad();
  return scaled;
}

std::string Format(int64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return std::to_string(value / unit.factor) + std::string(unit.name);
    }
  }
  return "0";
}

}  // namespace

base::Result<int64_t> ParseDurationMs(std::string_view text) {
  return Scaled(text, kDurations, "expected a duration such as 500ms, 30s, 15m, 24h or 7d");
}
std::string FormatDurationMs(int64_t ms) { return Format(ms, kDurations); }

base::Result<int64_t> ParseBytes(std::string_view text) {
  std::vector<Unit> units(kBinary.begin(), kBinary.end());
  units.insert(units.end(), kDecimal.begin(), kDecimal.end());
  return Scaled(text, units, "expected a size such as 64KiB, 128MiB or 1GiB");
}
std::string FormatBytes(uint64_t bytes) { return Format(static_cast<int64_t>(bytes), kBinary); }

base::Result<bool> ParseBool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return Fail(ErrorCode::kInvalidArgument, "expected true or false");
}

base::Result<int64_t> ParseInteger(std::string_view text) {
  const auto value = base::ParseNumber<int64_t>(text);
  if (!value) return Fail(ErrorCode::kInvalidArgument, "expected a whole number");
  return *value;
}

base::Result<double> ParseReal(std::string_view text) {
  double value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || end != last || !std::isfinite(value)) {
    return Fail(ErrorCode::kInvalidArgument, "expected a number");
  }
  return value;
}

std::string FormatReal(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

// Optimal string alignment, three rows at a time.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

}  // namespace weir::config

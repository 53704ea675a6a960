// Numbers as text, in the C locale, and as one another.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace weir::base {

// A whole number that is all of `text`, in decimal digits, with a sign only where T has one;
// nullopt if it is none, or does not fit.
template <std::integral T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The nearest double: exact up to 2^53.
constexpr double ToDouble(std::integral auto value) { return static_cast<double>(value); }

// "12.30": `digits` after the point. At most 64 bytes.
inline std::string Fixed(double value, int digits) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value,
                                 std::chars_format::fixed, digits);
  return {text.data(), end.ptr};
}

}  // namespace weir::base

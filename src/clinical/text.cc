#include "clinical/text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "base/clock.h"
#include "clinical/json_reader.h"

namespace weir::clinical {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t size = 1;
  bool valid = false;  // false: one byte that starts no character
};

CodePoint Decode(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() - at < size) return {first, 1, false};
  uint32_t value = first & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {first, 1, false};
    value = value << 6 | (byte(i) & 0x3f);
  }
  return {value, size, true};
}

bool IsInvisible(uint32_t c) { return c == 0x200b || c == 0x2060 || c == 0xfeff; }

// Unicode 15 White_Space, and what has no width.
bool IsSpace(uint32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000 || IsInvisible(c);
}

bool IsOddSpace(uint32_t c) { return c >= 0x80 && c != 0x2028 && c != 0x2029 && IsSpace(c); }

// Unicode's simple case folding for the blocks named in the header.
uint32_t FoldCase(uint32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c < 0xc0) return c;
  if (c <= 0xde) return c == 0xd7 ? c : c + 32;
  if (c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) return c | 1;
  if (c >= 0x139 && c <= 0x148) return c % 2 == 1 ? c + 1 : c;
  if (c >= 0x14a && c <= 0x177) return c | 1;
  if (c == 0x178) return 0xff;
  if (c >= 0x179 && c <= 0x17e) return c % 2 == 1 ? c + 1 : c;
  if (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) return c + 32;
  if (c == 0x3c2) return 0x3c3;
  if (c >= 0x410 && c <= 0x42f) return c + 32;
  if (c >= 0x400 && c <= 0x40f) return c + 80;
  return c;
}

void Append(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else {  // FoldCase changes nothing beyond U+07FF
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

bool AllDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string_view Trim(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = Decode(text, 0);
    if (!c.valid || !IsSpace(c.value)) break;
    text.remove_prefix(c.size);
  }
  while (!text.empty()) {
    size_t at = text.size() - 1;
    while (at > 0 && text.size() - at < 4 && (static_cast<uint8_t>(text[at]) & 0xc0) == 0x80) --at;
    const CodePoint c = Decode(text, at);
    if (!c.valid || at + c.size != text.size() || !IsSpace(c.value)) break;
    text.remove_suffix(c.size);
  }
  return text;
}

bool HasOddSpaces(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    if (c.valid && IsOddSpace(c.value)) return true;
    i += c.size;
  }
  return false;
}

std::string PlainSpaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    if (!c.valid || !IsOddSpace(c.value)) {
      out += text.substr(i, c.size);
    } else if (!IsInvisible(c.value)) {
      out += ' ';
    }
    i += c.size;
  }
  return out;
}

std::string Fold(std::string_view text) {
  text = Trim(text);
  std::string out;
  out.reserve(text.size());
  bool space = false;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = Decode(text, i);
    if (c.valid && IsSpace(c.value)) {
      space = space || !IsInvisible(c.value);
      i += c.size;
      continue;
    }
    if (space) out += ' ';
    space = false;
    const uint32_t folded = c.valid ? FoldCase(c.value) : c.value;
    if (folded == c.value) {
      out += text.substr(i, c.size);
    } else {
      Append(out, folded);
    }
    i += c.size;
  }
  return out;
}

std::optional<WrittenNumber> ReadNumber(std::string_view text) {
  text = Trim(text);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  size_t end = text.starts_with('-') ? 1 : 0;
  const size_t digits_from = end;
  size_t digits = 0, separators = 0, separator = 0;
  for (; end < text.size() && end < 64; ++end) {
    const char c = text[end];
    if (c >= '0' && c <= '9') {
      ++digits;
    } else if ((c == '.' || c == ',') && end > digits_from) {
      ++separators;
      separator = end;
    } else {
      break;
    }
  }
  if (digits == 0 || separators > 1 || end == 64) return std::nullopt;
  WrittenNumber number;
  std::string token(text.substr(0, end));
  if (separators == 1) {
    const size_t decimals = end - separator - 1;
    if (decimals == 0) return std::nullopt;
    number.decimal_comma = text[separator] == ',';
    // Three digits after a comma may be thousands.
    if (number.decimal_comma && decimals == 3 && token.substr(0, separator) != "0") {
      return std::nullopt;
    }
    token[separator] = '.';
  }
  const std::optional<double> value = ToDouble(token);
  if (!value) return std::nullopt;
  number.value = *value;
  number.rest = Trim(text.substr(end));
  return number;
}

std::string FormatNumber(double value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value == 0 ? 0.0 : value);
  return error == std::errc() ? std::string(buffer, end) : std::string("?");
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && LowerCase(a) == LowerCase(b);
}

std::string LowerCase(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

std::string_view Nearest(std::string_view word, std::span<const std::string_view> known) {
  word = word.substr(0, 64);
  std::string_view nearest;
  size_t nearest_distance = SIZE_MAX;
  for (const std::string_view candidate : known) {
    std::vector<size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < candidate.size(); ++j) {
        const size_t change = diagonal + (word[i] == candidate[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({change, row[j] + 1, diagonal + 1});
      }
    }
    if (row.back() < nearest_distance) {
      nearest_distance = row.back();
      nearest = candidate;
    }
  }
  return nearest;
}

bool IsDate(std::string_view text) {
  if (text.size() == 4) return AllDigits(text);
  if (text.size() == 7) return IsDate(std::string(text) + "-01");
  return text.size() == 10 && base::ParseTime(text).has_value();
}

bool IsDateTime(std::string_view text) {
  return IsDate(text) || (text.size() > 10 && base::ParseTime(text).has_value());
}

bool IsTimeOfDay(std::string_view text) {
  if (text.size() == 5) return IsTimeOfDay(std::string(text) + ":00");
  if (text.size() < 8) return false;
  return base::ParseTime("2000-01-01T" + std::string(text) + "Z").has_value();
}

}  // namespace weir::clinical

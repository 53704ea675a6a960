#include "clinical/json_reader.h"

#include <charconv>
#include <cmath>

namespace weir::clinical {
namespace {

// The first quote or backslash in [at, end), eight bytes at a time.
const char* FindStringBreak(const char* at, const char* end) {
  constexpr uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  for (; end - at >= 8; at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    const uint64_t quote = word ^ (kOnes * '"'), backslash = word ^ (kOnes * '\\');
    // The lowest byte flagged is exact: a borrow can only run upwards.
    const uint64_t found =
        (((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash)) & kHighs;
    if (found != 0) return at + (__builtin_ctzll(found) >> 3);
  }
  while (at != end && *at != '"' && *at != '\\') ++at;
  return at;
}

void AppendUtf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

// The four digits of \uXXXX at `at`, if they are there.
std::optional<uint32_t> HexUnit(std::string_view raw, size_t at) {
  if (raw.size() < 4 || at > raw.size() - 4) return std::nullopt;
  uint32_t unit = 0;
  const char* const from = raw.data() + at;
  const auto [stop, error] = std::from_chars(from, from + 4, unit, 16);
  if (error != std::errc() || stop != from + 4 || *from == '-') return std::nullopt;
  return unit;
}

}  // namespace

std::string Unescape(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      out += raw[i];
      continue;
    }
    const char kind = raw[++i];
    switch (kind) {
      case 'b':
        out += '\b';
        continue;
      case 'f':
        out += '\f';
        continue;
      case 'n':
        out += '\n';
        continue;
      case 'r':
        out += '\r';
        continue;
      case 't':
        out += '\t';
        continue;
      case 'u':
        break;
      default:
        out += kind;
        continue;
    }
    const std::optional<uint32_t> unit = HexUnit(raw, i + 1);
    if (!unit) {
      out += kind;
      continue;
    }
    i += 4;
    uint32_t c = *unit;
    if (c >= 0xd800 && c < 0xe000) {
      std::optional<uint32_t> low;
      if (c < 0xdc00 && raw.substr(i + 1, 2) == "\\u") low = HexUnit(raw, i + 3);
      if (low && *low >= 0xdc00 && *low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (*low - 0xdc00);
        i += 6;
      } else {
        c = 0xfffd;
      }
    }
    AppendUtf8(out, c);
  }
  return out;
}

std::optional<double> ToDouble(std::string_view token) {
  // One digit is by far the most frequent number in an answer.
  if (token.size() == 1 && token[0] >= '0' && token[0] <= '9') return token[0] - '0';
  double value = 0;
  const auto [stop, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc() || stop != token.data() + token.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value == 0 ? 0.0 : value;  // no negative zero
}

void JsonReader::Begin(char open) {
  if (depth_ == kDepthMax || !Take(open)) return Fail();
  ++depth_;
  first_ = true;
}

bool JsonReader::Next(char close) {
  if (Take(close)) {
    --depth_;
    first_ = false;
    return false;
  }
  if (!first_ && !Take(',')) {
    Fail();
    return false;
  }
  first_ = false;
  return true;
}

bool JsonReader::NextMember(JsonString* key) {
  if (failed_ || !Next('}')) return false;
  *key = String();
  if (!Take(':')) Fail();
  return !failed_;
}

bool JsonReader::NextElement() { return !failed_ && Next(']'); }

JsonString JsonReader::String() {
  if (!Take('"')) {
    Fail();
    return {};
  }
  JsonString string;
  const char* const from = at_;
  for (;;) {
    at_ = FindStringBreak(at_, end_);
    if (at_ == end_) {
      Fail();
      return {};
    }
    if (*at_ == '"') break;
    string.escaped = true;
    if (end_ - at_ < 2) {
      Fail();
      return {};
    }
    at_ += 2;
  }
  string.raw = {from, static_cast<size_t>(at_ - from)};
  ++at_;
  return string;
}

std::string_view JsonReader::Number() {
  SkipSpace();
  const char* const from = at_;
  while (at_ != end_ && ((*at_ >= '0' && *at_ <= '9') || *at_ == '-' || *at_ == '+' ||
                         *at_ == '.' || *at_ == 'e' || *at_ == 'E')) {
    ++at_;
  }
  if (at_ == from) Fail();
  return {from, static_cast<size_t>(at_ - from)};
}

void JsonReader::Literal() {
  SkipSpace();
  const std::string_view rest(at_, static_cast<size_t>(end_ - at_));
  for (const std::string_view word : {"true", "false", "null"}) {
    if (rest.substr(0, word.size()) == word) {
      at_ += word.size();
      return;
    }
  }
  Fail();
}

void JsonReader::Skip() {
  switch (Peek()) {
    case Kind::kObject: {
      BeginObject();
      JsonString key;
      while (NextMember(&key)) Skip();
      return;
    }
    case Kind::kArray:
      BeginArray();
      while (NextElement()) Skip();
      return;
    case Kind::kString:
      String();
      return;
    case Kind::kNumber:
      Number();
      return;
    case Kind::kNone:
      Fail();
      return;
    default:
      Literal();
  }
}

}  // namespace weir::clinical

#include "net/server/chunked_reader.h"

#include <algorithm>

namespace weir::net {
namespace {

// No chunk is larger than 2^60 bytes.
constexpr unsigned kSizeDigitsMax = 15;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// RFC 9110, section 5.6.2.
bool IsTokenChar(char c) {
  if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) return true;
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return kOthers.find(c) != std::string_view::npos;
}

// RFC 9110, section 5.5: visible, white space, or of no known charset.
bool IsFieldChar(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

}  // namespace

ChunkedReader::Step ChunkedReader::Read(std::string_view input) {
  size_t used = 0;
  while (used < input.size() && at_ != At::kDone) {
    if (at_ == At::kData) {
      const size_t size = std::min<uint64_t>(remaining_, input.size() - used);
      remaining_ -= size;
      if (remaining_ == 0) at_ = At::kDataCr;
      framing_bytes_ = 0;
      return {State::kData, used + size, input.substr(used, size)};
    }
    if (++framing_bytes_ > framing_bytes_max_ || !Take(input[used])) {
      return {State::kMalformed, used, {}};
    }
    ++used;
  }
  return {at_ == At::kDone ? State::kDone : State::kNeedMore, used, {}};
}

bool ChunkedReader::Take(char c) {
  switch (at_) {
    case At::kSize:
    case At::kSizeMore:
      return TakeSize(c);
    case At::kExtension:
      if (c == '\r') at_ = At::kSizeEnd;
      return c == '\r' || IsFieldChar(c);
    case At::kSizeEnd:
      at_ = remaining_ == 0 ? At::kTrailer : At::kData;
      return c == '\n';
    case At::kDataCr:
      at_ = At::kDataLf;
      return c == '\r';
    case At::kDataLf:
      at_ = At::kSize;
      digits_ = 0;
      return c == '\n';
    default:
      return TakeTrailer(c);
  }
}

bool ChunkedReader::TakeSize(char c) {
  const int digit = HexDigit(c);
  if (digit >= 0) {
    remaining_ = remaining_ << 4 | static_cast<unsigned>(digit);
    at_ = At::kSizeMore;
    return ++digits_ <= kSizeDigitsMax;
  }
  if (at_ == At::kSize) return false;
  at_ = c == '\r' ? At::kSizeEnd : At::kExtension;
  return c == '\r' || c == ';' || c == ' ' || c == '\t';
}

bool ChunkedReader::TakeTrailer(char c) {
  switch (at_) {
    case At::kTrailer:
      at_ = c == '\r' ? At::kEnd : At::kTrailerName;
      return c == '\r' || IsTokenChar(c);
    case At::kTrailerName:
      if (c == ':') at_ = At::kTrailerValue;
      return c == ':' || IsTokenChar(c);
    case At::kTrailerValue:
      if (c == '\r') at_ = At::kTrailerEnd;
      return c == '\r' || IsFieldChar(c);
    case At::kTrailerEnd:
      at_ = At::kTrailer;
      return c == '\n';
    case At::kEnd:
      at_ = At::kDone;
      return c == '\n';
    default:
      return false;
  }
}

}  // namespace weir::net

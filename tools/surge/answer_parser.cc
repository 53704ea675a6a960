#include "tools/surge/answer_parser.h"

#include <strings.h>

#include <charconv>
#include <cstring>

namespace weir::surge {
namespace {

constexpr size_t kHeadBytesMax = 32u << 10;
constexpr size_t kChunkLineBytesMax = 1024;
constexpr size_t kContentLengthMax = size_t{1} << 40;

bool Equals(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <class T>
bool ParseWhole(std::string_view text, T& to, int number_base = 10) {
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), to, number_base);
  return error == std::errc() && end == text.data() + text.size();
}

// False: a header that matters here cannot be understood.
bool ReadHeader(std::string_view line, AnswerHead& head) {
  // Only four names matter; their first letters tell them from nearly all others.
  const char first = static_cast<char>(line.empty() ? 0 : line.front() | 0x20);
  if (first != 'c' && first != 't' && first != 'r') return true;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = Trim(line.substr(colon + 1));
  if (Equals(name, "content-length")) {
    head.has_length = true;
    return ParseWhole(value, head.content_length) && head.content_length <= kContentLengthMax;
  }
  if (Equals(name, "transfer-encoding")) {
    head.chunked = Equals(value, "chunked");
    return head.chunked;
  }
  if (Equals(name, "connection")) {
    if (Equals(value, "close")) head.close = true;
  } else if (Equals(name, "retry-after")) {
    unsigned seconds = 0;
    if (ParseWhole(value, seconds)) head.retry_after_s = seconds;
  }
  return true;
}

}  // namespace

ParseResult ParseHead(std::string_view bytes, AnswerHead& head) {
  const void* end = memmem(bytes.data(), bytes.size(), "\r\n\r\n", 4);
  if (!end)
    return bytes.size() > kHeadBytesMax ? ParseResult::kMalformed : ParseResult::kIncomplete;
  head.head_bytes = static_cast<size_t>(static_cast<const char*>(end) - bytes.data()) + 4;
  std::string_view rest = bytes.substr(0, head.head_bytes - 2);
  if (!rest.starts_with("HTTP/1.") || rest.size() < 13) return ParseResult::kMalformed;
  if (!ParseWhole(rest.substr(9, 3), head.status)) return ParseResult::kMalformed;
  head.close = rest[7] == '0';
  rest.remove_prefix(rest.find("\r\n") + 2);
  while (!rest.empty()) {
    const size_t line_end = rest.find("\r\n");
    if (!ReadHeader(rest.substr(0, line_end), head)) return ParseResult::kMalformed;
    rest.remove_prefix(line_end + 2);
  }
  return ParseResult::kWhole;
}

ParseResult ChunkReader::Read(std::string_view bytes, std::string& content, size_t& used) {
  used = 0;
  while (true) {
    const std::string_view rest = bytes.substr(used);
    const size_t line_end = rest.find("\r\n");
    if (line_end == std::string_view::npos) {
      return rest.size() > kChunkLineBytesMax ? ParseResult::kMalformed : ParseResult::kIncomplete;
    }
    const std::string_view line = Trim(rest.substr(0, std::min(line_end, rest.find(';'))));
    size_t size = 0;
    if (!ParseWhole(line, size, 16) || size > kContentLengthMax) return ParseResult::kMalformed;
    const size_t whole = line_end + 2 + size + 2;
    if (rest.size() < whole) return ParseResult::kIncomplete;
    // No trailers are ever sent to us: the last chunk is followed by the empty line.
    if (rest.substr(whole - 2, 2) != "\r\n") return ParseResult::kMalformed;
    content.append(rest.substr(line_end + 2, size));
    used += whole;
    if (size == 0) return ParseResult::kWhole;
  }
}

ParseResult AnswerParser::Parse(std::string_view bytes, Answer& answer) {
  AnswerHead head;
  if (const auto result = ParseHead(bytes, head); result != ParseResult::kWhole) return result;
  answer.status = head.status;
  answer.retry_after_s = head.retry_after_s;
  answer.close = head.close;
  const std::string_view rest = bytes.substr(head.head_bytes);
  if (head.chunked) {
    content_.clear();
    size_t used = 0;
    const auto result = ChunkReader().Read(rest, content_, used);
    answer.body = content_;
    answer.bytes = head.head_bytes + used;
    return result;
  }
  if (!head.has_length && head.status != 204 && head.status != 304) return ParseResult::kMalformed;
  answer.bytes = head.head_bytes + head.content_length;
  if (rest.size() < head.content_length) return ParseResult::kIncomplete;
  answer.body = rest.substr(0, head.content_length);
  return ParseResult::kWhole;
}

}  // namespace weir::surge

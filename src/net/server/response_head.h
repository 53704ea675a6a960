// The header of an answer, as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace weir::net {

enum class Framing : uint8_t { kLength, kChunked, kUntilClose };

struct ResponseHead {
  int status = 200;
  std::string_view content_type;
  std::string_view headers;  // further lines, each ending in CRLF
  Framing framing = Framing::kLength;
  uint64_t content_length = 0;  // of kLength; left out where a status has no body
  std::string_view connection;  // the header's value; empty: no header
};

// Neither a body nor a length belongs to 1xx, 204 and 304.
bool HasBody(int status);

// `common` are the lines that all answers share, see CommonHeaders.
void AppendResponseHead(std::string& out, const ResponseHead& head, std::string_view common);

// "Server: weir\r\nDate: Tue, 24 Nov 2026 03:06:05 GMT\r\n", made anew once per second.
class CommonHeaders {
 public:
  explicit CommonHeaders(std::string_view server_name);
  std::string_view At(int64_t wall_ms);

 private:
  std::string server_line_;
  std::string lines_;
  int64_t second_ = INT64_MIN;
};

}  // namespace weir::net

// Finds the end of an HTTP/1.1 answer and what it says, without building anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::surge {

// Views are into the bytes given, or into the parser for a chunked body; valid until either
// changes.
struct Answer {
  int status = 0;
  std::string_view body;
  double retry_after_s = -1;  // negative: the header is absent
  bool close = false;         // the server closes the connection after this answer
  size_t bytes = 0;           // of the whole answer on the wire
};

// What the header block says of what follows it.
struct AnswerHead {
  int status = 0;
  size_t head_bytes = 0;  // through the empty line
  size_t content_length = 0;
  bool has_length = false;
  bool chunked = false;
  bool close = false;
  double retry_after_s = -1;
};

enum class ParseResult { kWhole, kIncomplete, kMalformed };

ParseResult ParseHead(std::string_view bytes, AnswerHead& head);

// Takes a chunked body apart piece by piece.
class ChunkReader {
 public:
  // Appends the content of all whole chunks in `bytes` to `content` and says how many bytes of
  // `bytes` were used. kWhole: the last chunk was among them.
  ParseResult Read(std::string_view bytes, std::string& content, size_t& used);
};

class AnswerParser {
 public:
  // `bytes` starts with an answer to a request other than HEAD, of which all that has arrived is
  // there. A body without a length that ends with the connection is kMalformed here.
  ParseResult Parse(std::string_view bytes, Answer& answer);

 private:
  std::string content_;
};

}  // namespace weir::surge

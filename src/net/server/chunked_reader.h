// Takes a chunked body (RFC 9112, section 7.1) apart. Extensions and trailers are read and dropped.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace weir::net {

class ChunkedReader {
 public:
  ChunkedReader();
  ~ChunkedReader();

  enum class State { kData, kNeedMore, kDone, kMalformed };
  struct Step {
    State state;
    size_t consumed = 0;    // of the input, to be dropped from its front
    std::string_view data;  // a view of the input; may be empty
  };
  // One chunk header or one piece of data. After kNeedMore the same bytes must come again, with
  // more.
  Step Read(std::string_view input);

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace weir::net

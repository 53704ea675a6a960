// Takes a chunked body (RFC 9112, section 7.1) apart, byte by byte, so that the outcome is the same
// in whatever pieces the bytes arrive. Extensions and trailer fields are checked for form and
// dropped. Line ends are CR LF and nothing else: what one side of a proxy takes for a line's end
// and the other does not is how requests are smuggled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::net {

class ChunkedReader {
 public:
  // Of one chunk's header with its extensions, and of all trailers together; more is malformed.
  explicit ChunkedReader(size_t framing_bytes_max) : framing_bytes_max_(framing_bytes_max) {}

  enum class State { kData, kNeedMore, kDone, kMalformed };
  struct Step {
    State state;
    size_t consumed = 0;    // of the input, to be dropped from its front
    std::string_view data;  // a view of the input; only with kData, and then not empty
  };
  // Up to one piece of data. After kNeedMore all of the input is consumed.
  Step Read(std::string_view input);

 private:
  enum class At : uint8_t {
    kSize,       // the first digit of a chunk's size
    kSizeMore,   // further digits
    kExtension,  // after the size, up to CR
    kSizeEnd,    // LF
    kData,
    kDataCr,
    kDataLf,
    kTrailer,  // the first byte of a trailer, or CR of the end
    kTrailerName,
    kTrailerValue,
    kTrailerEnd,  // LF
    kEnd,         // LF
    kDone,
  };
  bool Take(char c);  // one byte of framing; false: malformed
  bool TakeSize(char c);
  bool TakeTrailer(char c);

  const size_t framing_bytes_max_;
  At at_ = At::kSize;
  size_t framing_bytes_ = 0;  // since the last chunk's data
  unsigned digits_ = 0;
  uint64_t remaining_ = 0;  // of the chunk
};

}  // namespace weir::net

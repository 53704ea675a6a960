// Undoes a Content-Encoding, piece by piece, in bounded memory.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weir::net {

enum class Coding : uint8_t { kIdentity, kGzip, kDeflate, kUnknown };

// Of a Content-Encoding header's value: "", "identity", "gzip", "x-gzip" or "deflate"; a list of
// several is unknown.
Coding ParseCoding(std::string_view value);

// gzip (RFC 1952, members may follow one another) and deflate (RFC 1950). Holds about 40 KiB once
// it has been used. One thread.
class BodyDecoder {
 public:
  BodyDecoder() = default;
  ~BodyDecoder();
  BodyDecoder(const BodyDecoder&) = delete;
  BodyDecoder& operator=(const BodyDecoder&) = delete;

  void Start(Coding coding);  // kGzip or kDeflate

  // Decodes from the front of *in, which it shortens, into `out`. The number of bytes written; -1:
  // malformed. Fewer than out.size() means that more input is needed, or that the end is reached.
  ptrdiff_t Decode(std::string_view* in, std::span<char> out);

  // The input so far is a whole body.
  bool complete() const { return at_member_end_; }

  enum class Whole { kOk, kMalformed, kTooLarge };
  // Decodes a body that is there completely. `out` never exceeds `bytes_max`.
  Whole DecodeWhole(Coding coding, std::string_view in, size_t bytes_max, std::string* out);

 private:
  z_stream stream_{};
  Coding coding_ = Coding::kUnknown;
  bool ready_ = false;
  bool at_member_end_ = false;
};

}  // namespace weir::net

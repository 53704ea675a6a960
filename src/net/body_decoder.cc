#include "net/body_decoder.h"

#include <strings.h>
#include <zlib.h>

#include <cstring>

namespace weir::net {

struct BodyDecoder::Stream {
  z_stream z;
};

namespace {

bool Is(std::string_view text, const char* name) {
  return text.size() == std::strlen(name) && strncasecmp(text.data(), name, text.size()) == 0;
}

}  // namespace

BodyDecoder::BodyDecoder() : stream_(std::make_unique<Stream>()) {
  std::memset(&stream_->z, 0, sizeof stream_->z);
}

BodyDecoder::~BodyDecoder() { inflateEnd(&stream_->z); }

std::unique_ptr<BodyDecoder> BodyDecoder::Make(std::string_view encoding) {
  // zlib's window bits: 15 with 16 added is gzip, plain 15 is zlib's own frame, HTTP's "deflate".
  int window_bits = 0;
  if (Is(encoding, "gzip") || Is(encoding, "x-gzip")) window_bits = 15 + 16;
  if (Is(encoding, "deflate")) window_bits = 15;
  if (window_bits == 0) return nullptr;
  std::unique_ptr<BodyDecoder> decoder(new BodyDecoder());
  if (inflateInit2(&decoder->stream_->z, window_bits) != Z_OK) return nullptr;
  return decoder;
}

BodyDecoder::Status BodyDecoder::Decode(std::string_view bytes,
                                        const std::function<bool(std::string_view)>& take) {
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  unsigned char out[16 << 10];
  while (z.avail_in > 0 || z.avail_out == 0) {
    if (ended_) return z.avail_in > 0 ? Status::kBad : Status::kEnd;  // bytes after the end
    z.next_out = out;
    z.avail_out = sizeof out;
    const int result = inflate(&z, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return Status::kBad;
    const size_t size = sizeof out - z.avail_out;
    if (size > 0 && !take({reinterpret_cast<char*>(out), size})) return Status::kRefused;
    if (result == Z_STREAM_END) ended_ = true;
    if (result == Z_BUF_ERROR && size == 0) break;
  }
  return ended_ ? Status::kEnd : Status::kMore;
}

}  // namespace weir::net

#include "net/server/body_decoder.h"

#include <strings.h>

#include <algorithm>

#include "base/check.h"

namespace weir::net {
namespace {

constexpr int kWindowBits = 15;
constexpr int kGzipFlag = 16;  // added to the window's bits: zlib expects gzip's header
constexpr size_t kFirstOutputBytes = 16u << 10;

bool Is(std::string_view value, std::string_view name) {
  return value.size() == name.size() && strncasecmp(value.data(), name.data(), name.size()) == 0;
}

}  // namespace

Coding ParseCoding(std::string_view value) {
  if (value.empty() || Is(value, "identity")) return Coding::kIdentity;
  if (Is(value, "gzip") || Is(value, "x-gzip")) return Coding::kGzip;
  if (Is(value, "deflate")) return Coding::kDeflate;
  return Coding::kUnknown;
}

BodyDecoder::~BodyDecoder() {
  if (ready_) inflateEnd(&stream_);
}

void BodyDecoder::Start(Coding coding) {
  const int bits = coding == Coding::kGzip ? kWindowBits + kGzipFlag : kWindowBits;
  const int result = ready_ ? inflateReset2(&stream_, bits) : inflateInit2(&stream_, bits);
  WEIR_CHECK_MSG(result == Z_OK, "zlib has no memory");
  ready_ = true;
  coding_ = coding;
  at_member_end_ = false;
}

ptrdiff_t BodyDecoder::Decode(std::string_view* in, std::span<char> out) {
  size_t written = 0;
  while (written < out.size()) {
    if (at_member_end_) {
      if (in->empty()) break;
      // Only gzip has members; after zlib's end nothing may follow.
      if (coding_ != Coding::kGzip || inflateReset(&stream_) != Z_OK) return -1;
      at_member_end_ = false;
    }
    const size_t room = out.size() - written;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in->data()));
    stream_.avail_in = static_cast<uInt>(std::min<size_t>(in->size(), UINT32_MAX));
    stream_.next_out = reinterpret_cast<Bytef*>(out.data() + written);
    stream_.avail_out = static_cast<uInt>(std::min<size_t>(room, UINT32_MAX));
    const uInt offered = stream_.avail_in;
    const uInt space = stream_.avail_out;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    in->remove_prefix(offered - stream_.avail_in);
    written += space - stream_.avail_out;
    if (result == Z_STREAM_END) {
      at_member_end_ = true;
    } else if (result == Z_BUF_ERROR) {
      break;  // no progress without more input
    } else if (result != Z_OK) {
      return -1;
    }
  }
  return static_cast<ptrdiff_t>(written);
}

BodyDecoder::Whole BodyDecoder::DecodeWhole(Coding coding, std::string_view in, size_t bytes_max,
                                            std::string* out) {
  Start(coding);
  size_t size = 0;
  out->resize(std::min(std::max(out->capacity(), kFirstOutputBytes), bytes_max));
  while (true) {
    const ptrdiff_t written = Decode(&in, {out->data() + size, out->size() - size});
    if (written < 0) return Whole::kMalformed;
    size += static_cast<size_t>(written);
    if (size < out->size()) break;
    if (in.empty() && complete()) break;
    if (size == bytes_max) {
      // Full to the brim: one byte more tells whether there is more.
      char extra;
      const ptrdiff_t more = Decode(&in, {&extra, 1});
      if (more > 0) return Whole::kTooLarge;
      if (more < 0) return Whole::kMalformed;
      break;
    }
    out->resize(std::min(size * 2, bytes_max));
  }
  out->resize(size);
  return complete() && in.empty() ? Whole::kOk : Whole::kMalformed;
}

}  // namespace weir::net

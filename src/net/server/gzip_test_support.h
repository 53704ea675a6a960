// Compressed bodies for tests.
#pragma once

#include <zlib.h>

#include <string>
#include <string_view>

namespace weir::net {

inline std::string Compress(std::string_view text, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
inline std::string Gzip(std::string_view text) { return Compress(text, 15 + 16); }
inline std::string Deflate(std::string_view text) { return Compress(text, 15); }

// Text that compresses somewhat, the same every time.
inline std::string Text(size_t size) {
  std::string text;
  text.reserve(size);
  uint64_t state = 88'172'645'463'325'252ull;
  while (text.size() < size) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    text.push_back(static_cast<char>('a' + state % 23));
  }
  return text;
}

}  // namespace weir::net

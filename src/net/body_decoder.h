// Content-Encoding of request bodies: gzip (RFC 1952) and deflate (RFC 1950), undone piece by piece.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

namespace weir::net {

class BodyDecoder {
 public:
  // Null for an encoding that is not known. "identity" needs no decoder.
  static std::unique_ptr<BodyDecoder> Make(std::string_view encoding);
  ~BodyDecoder();

  enum class Status { kMore, kEnd, kBad, kRefused };
  // Hands decoded bytes to `take`, at most 16 KiB at a time, until it returns false (kRefused): a
  // small body that decodes to a huge one costs no more than what `take` accepts.
  Status Decode(std::string_view bytes, const std::function<bool(std::string_view)>& take);
  bool ended() const { return ended_; }

 private:
  struct Stream;
  BodyDecoder();
  std::unique_ptr<Stream> stream_;
  bool ended_ = false;
};

}  // namespace weir::net

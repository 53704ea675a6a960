#include "net/server/opening.h"

#include <algorithm>

namespace weir::net {

Opening LookAtOpening(std::string_view bytes, std::string_view agreed) {
  if (!agreed.empty()) return agreed == "h2" ? Opening::kHttp2 : Opening::kHttp1;
  if (bytes.starts_with(kHttp2Preface)) return Opening::kHttp2;
  if (kHttp2Preface.starts_with(bytes)) return Opening::kUndecided;
  const std::string_view line = bytes.substr(0, bytes.find("\r\n"));
  const size_t last = line.rfind(' ');
  const bool three_words = std::ranges::count(line, ' ') == 2;
  if (line.size() < bytes.size() && three_words && !line.substr(last + 1).starts_with("HTTP/")) {
    return Opening::kHttp2;
  }
  return Opening::kHttp1;
}

}  // namespace weir::net

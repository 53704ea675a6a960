#include "alerts/signature.h"

#include "base/sha256.h"

namespace weir::alerts {

std::string Sign(std::string_view secret, int64_t unix_seconds, std::string_view body) {
  const std::string time = std::to_string(unix_seconds);
  std::string signed_text = time + ".";
  signed_text += body;
  return "t=" + time + ",sha256=" + base::HmacSha256(secret, signed_text).hex();
}

}  // namespace weir::alerts

#include "security/exposure.h"

#include <arpa/inet.h>

namespace weir::security {

bool IsLoopback(std::string_view host) {
  const std::string text(host);
  if (text == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

std::optional<std::string> CheckExposure(const Exposure& exposure) {
  const bool host_public = !IsLoopback(exposure.host);
  if (!host_public && IsLoopback(exposure.admin_host)) return std::nullopt;
  const std::string where =
      host_public ? "Host is " + exposure.host : "Admin.Host is " + exposure.admin_host;
  const bool bare = !exposure.tls && !exposure.insecure_allow_public;
  const bool open = exposure.tokens_active == 0;
  if (!bare && !open) return std::nullopt;
  std::string refusal = where + ", which others can reach: ";
  if (bare) {
    refusal +=
        "set Tls.CertFile and Tls.KeyFile, or InsecureAllowPublic: true behind a proxy that speaks "
        "TLS, or listen on 127.0.0.1";
  }
  if (bare && open) refusal += "; and ";
  if (open) refusal += "add a token with `weir tokens add NAME`, for none is in force in DataDir";
  return refusal;
}

}  // namespace weir::security

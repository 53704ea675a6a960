// Whether the server may start where its configuration puts it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weir::security {

struct Exposure {
  std::string host;        // Host
  std::string admin_host;  // Admin.Host
  bool tls = false;
  bool insecure_allow_public = false;  // InsecureAllowPublic
  size_t tokens_active = 0;
};

// The sentence with which the start is refused; nothing: it may start. Off loopback it needs TLS or
// InsecureAllowPublic, and a token in force.
std::optional<std::string> CheckExposure(const Exposure& exposure);

// "localhost", 127.0.0.0/8, ::1. Anything else, names included, is taken as reachable by others.
bool IsLoopback(std::string_view host);

}  // namespace weir::security

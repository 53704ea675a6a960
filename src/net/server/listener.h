// The one listening socket of a server.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace weir::net {

class Listener {
 public:
  // Binds and listens. kAlreadyExists: somebody has the address, whatever options they share it
  // with. kInvalidArgument: the host is not an address of ours. kPermission: a port that needs
  // privileges.
  static base::Result<Listener> Open(const std::string& host, uint16_t port);
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener() { Close(); }

  int descriptor() const { return descriptor_; }
  uint16_t port() const { return port_; }
  void Close();  // connections that were not yet accepted are reset

 private:
  Listener(int descriptor, uint16_t port) : descriptor_(descriptor), port_(port) {}
  int descriptor_;
  uint16_t port_;
};

}  // namespace weir::net

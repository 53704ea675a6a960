// Descriptors and listening sockets.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weir::net {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Descriptor() { Reset(); }
  void Reset();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Listeners {
  std::vector<Descriptor> sockets;
  uint16_t port = 0;
};

// `count` listening sockets on one address, between which the kernel spreads connections
// (SO_REUSEPORT). The first is bound without sharing, so a second server is refused, also one of
// ours. kAlreadyExists: the address is in use. kInvalidArgument: not an address of this machine.
base::Result<Listeners> Listen(const std::string& host, uint16_t port, unsigned count);

}  // namespace weir::net

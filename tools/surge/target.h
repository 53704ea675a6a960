// Where to connect to, and from which of our own addresses.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>

#include "base/result.h"

namespace weir::surge {

class Target {
 public:
  // kInvalidArgument: no IPv4 address is known for the host.
  static base::Result<Target> Resolve(const std::string& host, uint16_t port);

  // A socket whose connection to the target has been started (or made, if `blocking`). Its
  // descriptor is the caller's. To 127.0.0.0/8, `connection` chooses the source: each address of
  // that network has ports for kPerSource connections, and the next one is taken after that.
  base::Result<int> Connect(uint64_t connection, bool blocking) const;

  const std::string& name() const { return name_; }  // "127.0.0.1:8080"

 private:
  static constexpr uint64_t kPerSource = 20'000;
  std::string name_;
  sockaddr_in address_{};
};

}  // namespace weir::surge

#include "tools/surge/target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weir::surge {
namespace {

constexpr int kSourcesMax = 250;  // 127.0.0.1 to 127.0.0.250

// The source is bound without a port: the port is chosen at connect(), when the whole of the
// connection's name is known, so that ports are shared between different servers.
bool BindSource(int fd, uint64_t source) {
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<uint32_t>(source % kSourcesMax));
  return bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) == 0;
}

}  // namespace

base::Result<Target> Target::Resolve(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    return base::Fail(base::ErrorCode::kInvalidArgument, host + ": " + gai_strerror(error));
  }
  Target target;
  std::memcpy(&target.address_, found->ai_addr, sizeof target.address_);
  freeaddrinfo(found);
  target.address_.sin_port = htons(port);
  target.name_ = host + ":" + std::to_string(port);
  return target;
}

base::Result<int> Target::Connect(uint64_t connection, bool blocking) const {
  const bool loopback = (ntohl(address_.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
  const uint64_t first_source = connection / kPerSource;
  int error = 0;
  for (uint64_t attempt = 0; attempt < (loopback ? 8u : 1u); ++attempt) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0) {
      error = errno;
      break;
    }
    const uint64_t source = first_source + attempt;
    const bool bound = !loopback || source == 0 || BindSource(fd, source);
    if (bound && (connect(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) == 0 ||
                  errno == EINPROGRESS)) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return fd;
    }
    error = errno;
    close(fd);
    if (error != EADDRNOTAVAIL) break;  // only then have this source's ports run out
  }
  return base::Fail(base::ErrorCode::kUnavailable,
                    "cannot connect to " + name_ + ": " + std::strerror(error));
}

}  // namespace weir::surge

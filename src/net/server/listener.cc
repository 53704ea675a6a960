#include "net/server/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace weir::net {
namespace {

// The kernel caps it at net.core.somaxconn.
constexpr int kBacklog = 65'535;

base::ErrorCode CodeOf(int error) {
  switch (error) {
    case EADDRINUSE:
      return base::ErrorCode::kAlreadyExists;
    case EADDRNOTAVAIL:
      return base::ErrorCode::kInvalidArgument;
    case EACCES:
      return base::ErrorCode::kPermission;
    default:
      return base::ErrorCode::kIo;
  }
}

uint16_t PortOf(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

base::Result<Listener> Listener::Open(const std::string& host, uint16_t port) {
  const std::string where = host + ":" + std::to_string(port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    return base::Fail(base::ErrorCode::kInvalidArgument,
                      "cannot listen on " + where + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  const int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return base::Fail(base::ErrorCode::kIo,
                      "cannot listen on " + where + ": " + std::strerror(errno));
  }
  Listener listener(descriptor, 0);
  const int on = 1;
  // Connections of a former run that still linger do not count as a use of the address; a listening
  // socket does, and since SO_REUSEPORT is not set here, also one that would share.
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Inherited by what is accepted. An answer leaves in one piece and must not wait for company.
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(descriptor, found->ai_addr, found->ai_addrlen) != 0 ||
      listen(descriptor, kBacklog) != 0) {
    const int cause = errno;
    return base::Fail(CodeOf(cause), "cannot listen on " + where + ": " + std::strerror(cause));
  }
  listener.port_ = PortOf(descriptor);
  return listener;
}

Listener::Listener(Listener&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), port_(other.port_) {}

void Listener::Close() {
  if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
}

}  // namespace weir::net

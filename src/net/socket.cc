#include "net/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace weir::net {
namespace {

constexpr int kBacklog = 4096;

base::Status Failed(const std::string& host, uint16_t port, const char* what) {
  const int error = errno;
  const std::string where = host + ":" + std::to_string(port);
  if (error == EADDRINUSE) {
    return base::Fail(base::ErrorCode::kAlreadyExists,
                      where + " is in use, perhaps by another server");
  }
  if (error == EADDRNOTAVAIL) {
    return base::Fail(base::ErrorCode::kInvalidArgument, where + " is not an address of this machine");
  }
  if (error == EACCES) {
    return base::Fail(base::ErrorCode::kPermission, where + " may not be listened on by this user");
  }
  return base::Fail(base::ErrorCode::kIo,
                    std::string(what) + " " + where + ": " + std::strerror(error));
}

void Enable(int fd, int level, int option) {
  const int on = 1;
  setsockopt(fd, level, option, &on, sizeof on);
}

}  // namespace

void Descriptor::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

base::Result<Listeners> Listen(const std::string& host, uint16_t port, unsigned count) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), "0", &hints, &found); error != 0) {
    return base::Fail(base::ErrorCode::kInvalidArgument,
                      "Host " + host + " is not an address: " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, &freeaddrinfo);
  sockaddr_storage address{};
  std::memcpy(&address, found->ai_addr, found->ai_addrlen);
  socklen_t size = found->ai_addrlen;
  auto& port_field = found->ai_family == AF_INET6
                         ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                         : reinterpret_cast<sockaddr_in&>(address).sin_port;
  port_field = htons(port);

  Listeners listeners;
  for (unsigned i = 0; i < count; ++i) {
    Descriptor fd(socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return base::Fail(Failed(host, port, "socket for").error());
    Enable(fd.get(), SOL_SOCKET, SO_REUSEADDR);
    if (i > 0) Enable(fd.get(), SOL_SOCKET, SO_REUSEPORT);
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
      return base::Fail(Failed(host, port, "bind").error());
    }
    if (i == 0) {
      if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return base::Fail(Failed(host, port, "getsockname").error());
      }
      listeners.port = ntohs(port_field);
      // From now on our own further sockets may share it.
      Enable(fd.get(), SOL_SOCKET, SO_REUSEPORT);
    }
    Enable(fd.get(), IPPROTO_TCP, TCP_NODELAY);  // inherited by what it accepts
    listeners.sockets.push_back(std::move(fd));
  }
  for (const Descriptor& fd : listeners.sockets) {
    if (listen(fd.get(), kBacklog) != 0) return base::Fail(Failed(host, port, "listen on").error());
  }
  return listeners;
}

}  // namespace weir::net

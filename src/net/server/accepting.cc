#include "net/server/accepting.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

namespace weir::net {

std::string AddressText(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  } else if (address.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text,
              sizeof text);
  }
  return text;
}

std::string PeerAddress(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  return AddressText(address);
}

int OpenReserve() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

bool RefuseOne(int listener, int* reserve) {
  if (*reserve >= 0) close(*reserve);
  const int refused = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (refused >= 0) close(refused);
  *reserve = OpenReserve();
  return refused >= 0;
}

}  // namespace weir::net

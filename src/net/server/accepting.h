// What accepting needs whatever the transport: who the peer is, and what to do when descriptors run
// out.
#pragma once

#include <sys/socket.h>

#include <string>

namespace weir::net {

// Without the port; empty if it is neither IPv4 nor IPv6.
std::string AddressText(const sockaddr_storage& address);
std::string PeerAddress(int descriptor);

// A descriptor that stands for nothing, to be given up by RefuseOne(). < 0: none is left.
int OpenReserve();
// No descriptor is left: accepts one connection in place of the reserve and closes it, for else it
// would wait in the kernel, and wake us, for ever. False: nobody waits.
bool RefuseOne(int listener, int* reserve);

}  // namespace weir::net

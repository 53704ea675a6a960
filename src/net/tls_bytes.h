// OpenSSL's end of a connection whose bytes somebody else receives and sends.
#pragma once

#include <openssl/bio.h>

#include <string>
#include <string_view>

namespace weir::net {

struct TlsBytes {
  std::string_view arriving;       // received, and not yet looked at by OpenSSL
  std::string* leaving = nullptr;  // what OpenSSL sends is appended to it
};

// Reads and writes `bytes`, which must outlive it, and never waits. nullptr: there is no memory.
BIO* NewBio(TlsBytes& bytes);

}  // namespace weir::net

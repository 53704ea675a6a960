// The one-shot functions of OpenSSL 3 look their algorithm up by name on every call (0.6 µs); the
// deprecated ones reach the same assembly directly.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/bytes.h"

namespace weir::base {

std::string Digest::hex() const { return ToHex(view()); }

Digest Sha256(std::initializer_list<std::string_view> parts) {
  Digest digest;
  SHA256_CTX context;
  SHA256_Init(&context);
  for (const std::string_view part : parts) SHA256_Update(&context, part.data(), part.size());
  SHA256_Final(digest.bytes.data(), &context);
  return digest;
}

Digest Sha256(std::string_view bytes) { return Sha256({bytes}); }

Digest HmacSha256(std::string_view key, std::string_view bytes) {
  constexpr size_t kBlock = 64;
  const Digest hashed_key = key.size() > kBlock ? Sha256(key) : Digest{};
  const std::string_view short_key = key.size() > kBlock ? hashed_key.view() : key;
  char inner[kBlock];
  char outer[kBlock];
  for (size_t i = 0; i < kBlock; ++i) {
    const char byte = i < short_key.size() ? short_key[i] : '\0';
    inner[i] = static_cast<char>(byte ^ 0x36);
    outer[i] = static_cast<char>(byte ^ 0x5c);
  }
  const Digest first = Sha256({std::string_view(inner, kBlock), bytes});
  return Sha256({std::string_view(outer, kBlock), first.view()});
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace weir::base

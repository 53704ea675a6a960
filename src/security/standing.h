// Whether who was let in would still be: asked by answers that go on for as long as their client
// stays, where a request's own check was long ago.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/sha256.h"
#include "security/identity.h"
#include "security/token_store.h"

namespace weir::security {

// One thread at a time. `store` must outlive it. Keeps no secret, only its hash.
class Standing {
 public:
  // `authorization` is the header's value, with which the request was let in for `scope`.
  Standing(const TokenStore& store, std::string_view authorization, Scope scope);

  // False once the token is revoked or has expired, or, for a request without one, once the first
  // token closed the server. Cheap while the tokens are as they were.
  bool Holds(int64_t now_ms);

 private:
  void Look();

  const TokenStore& store_;
  const base::Digest secret_;
  const Scope scope_;
  uint64_t generation_ = 0;
  std::shared_ptr<const TokenTable> table_;  // shared with the loops until the next Look()
  const Token* token_ = nullptr;             // in table_
  bool closed_ = false;
};

}  // namespace weir::security

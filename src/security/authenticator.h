// Decides who sends a request, for one loop: no lock, and no hash for a token seen lately.
//
// An Identity that Check() returned lives until this authenticator's next Check(): who answers
// later copies its name. A revoked token is refused from the first Check() after the store was
// reloaded.
//
// The cache holds the last secrets that were accepted, in slots chosen by a hash keyed at random,
// and compares them in constant time; it is wiped when the tokens change and when it ends.
//
// Open: where the file lists no token at all, revoked ones included, and the server is on loopback
// (CheckExposure), everybody is "anonymous" with every scope, and Authorization is not looked at.
// The first token that is added closes the server, and nothing but a start opens it again.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "security/identity.h"
#include "security/token_store.h"

namespace weir::security {

// The token of "Bearer <token>" (RFC 6750, section 2.1; the scheme is case-insensitive). Empty: the
// value is not of that form.
std::string_view BearerToken(std::string_view authorization);

class Authenticator {
 public:
  struct Outcome {
    const Identity* identity = nullptr;  // nullptr: refused
    Refusal refusal = Refusal::kMissing;
    explicit operator bool() const { return identity != nullptr; }
  };

  // `store` must outlive it and have been loaded. The caller's thread only, from then on.
  explicit Authenticator(const TokenStore& store);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // `authorization` is the header's value; `now_ms` is wall time.
  Outcome Check(std::string_view authorization, int64_t now_ms);
  // The same, and whether the identity may do this.
  Outcome Check(std::string_view authorization, int64_t now_ms, Scope scope,
                std::string_view study);

  bool open() const { return open_; }

 private:
  static constexpr size_t kSlots = 64;
  static constexpr size_t kWords = 8;  // "Bearer weir_" and 43 characters are 55 bytes
  // The header's value, padded with zeros (which no header's value contains) to whole words.
  using Value = std::array<uint64_t, kWords>;
  struct Slot {
    const Token* token = nullptr;
    Value value{};
  };

  void Refresh();
  Outcome CheckUncached(std::string_view authorization, int64_t now_ms, Slot* slot,
                        const Value& value);
  size_t SlotOf(const Value& value) const;

  const TokenStore& store_;
  std::shared_ptr<const TokenTable> table_;  // shared with other loops until the next Refresh()
  uint64_t generation_ = 0;
  uint64_t hash_key_;
  bool open_ = false;
  bool ever_closed_ = false;
  std::array<Slot, kSlots> slots_;
};

}  // namespace weir::security

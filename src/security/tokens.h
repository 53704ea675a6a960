// Tokens: bearer secrets with a name, scopes, studies and a life span, kept in DataDir/tokens.json
// (0600), outside the journal and the store.
//
// A secret is 256 random bits, written "weir_" and 43 characters of base64url, and is shown once,
// when it is added. Only its SHA-256 is kept. A plain hash is sound here, where it would not be for
// a password: there is no dictionary of 256-bit random numbers, so salt and slow hashing, which
// make each guess of a weak secret cost more, would protect nothing. Hashes are compared in
// constant time all the same.
//
// The file is replaced atomically, under a lock on DataDir/keys, so that of two commands at once
// one is refused (kUnavailable) and nothing is lost; a running server sees the change within two
// seconds (token_store.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"
#include "security/identity.h"

namespace weir::security {

// One entry of the file.
struct Token {
  Identity identity;
  base::Digest sha256;  // of the secret as it is sent, "weir_" included
  int64_t created_ms = 0;
  std::optional<int64_t> expires_ms;
  std::optional<int64_t> revoked_ms;

  bool Active(int64_t now_ms) const { return !revoked_ms && (!expires_ms || now_ms < *expires_ms); }
};

struct NewToken {
  std::string name;  // 1 to 64 characters of [A-Za-z0-9._@-]; unique for ever
  Scopes scopes;
  std::vector<std::string> studies;  // empty: all
  std::optional<int64_t> expires_ms;
  std::string certificate;  // see Identity
};

inline constexpr size_t kTokensMax = 100'000;

// DataDir/tokens.json.
std::string TokensPath(const std::string& data_dir);

// A missing file is an empty list. kCorruption: not what this program writes; kPermission: others
// than the owner may read it.
base::Result<std::vector<Token>> LoadTokens(const std::string& path);

// Returns the secret, which nothing can show again. kAlreadyExists: the name is taken, even by a
// revoked token, since the journal names senders by it.
base::Result<std::string> AddToken(const std::string& path, const NewToken& token, int64_t now_ms);
// kNotFound: no such name. Revoking again changes nothing.
base::Status RevokeToken(const std::string& path, std::string_view name, int64_t now_ms);

// For `weir tokens list`: a table, without secrets or hashes.
std::string FormatTokens(const std::vector<Token>& tokens, int64_t now_ms);

}  // namespace weir::security

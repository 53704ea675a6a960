// Who asks, and what they may do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::security {

enum class Scope : uint8_t {
  kSubmit = 1,   // send reports
  kRead = 2,     // read reports, analytics, diaries, conflicts, exports
  kAlerts = 4,   // read and acknowledge alerts
  kOperate = 8,  // tasks, quarantine, replay
};
std::string_view Name(Scope scope);  // "submit", "read", "alerts", "operate"

class Scopes {
 public:
  constexpr Scopes() = default;
  constexpr explicit Scopes(uint8_t bits) : bits_(bits) {}
  static constexpr Scopes All() { return Scopes(15); }
  constexpr bool Has(Scope scope) const { return (bits_ & static_cast<uint8_t>(scope)) != 0; }
  constexpr Scopes With(Scope scope) const {
    return Scopes(static_cast<uint8_t>(bits_ | static_cast<uint8_t>(scope)));
  }
  constexpr uint8_t bits() const { return bits_; }
  constexpr bool operator==(const Scopes&) const = default;

 private:
  uint8_t bits_ = 0;
};
// "submit,read" in either direction; "all" is every scope. An empty list is an error.
base::Result<Scopes> ParseScopes(std::string_view text);
std::string ToString(Scopes scopes);

// Immutable; belongs to the table it came from (authenticator.h says how long it lives).
struct Identity {
  std::string name;  // the token's name; "anonymous" on an open server
  Scopes scopes;
  std::vector<std::string> studies;  // sorted; empty: all studies
  // SHA-256 of the client certificate that it must come with, in hexadecimal digits; empty: none.
  std::string certificate = {};

  bool ComesWith(std::string_view peer_certificate) const {
    return certificate.empty() || certificate == peer_certificate;
  }
  bool Allows(Scope scope) const { return scopes.Has(scope); }
  bool Allows(Scope scope, std::string_view study) const;
  bool all_studies() const { return studies.empty(); }
};

// Why a request is turned away. The last two are 403, the others are 401.
enum class Refusal : uint8_t {
  kMissing,      // no Authorization
  kMalformed,    // not "Bearer <token>"
  kInvalid,      // unknown, revoked or expired: which of them, only the log of the operator knows
  kCertificate,  // bound to a client certificate that the connection has not shown
  kScope,        // a good token without the scope that is needed
  kStudy,        // a good token that may do this, in other studies
};
int HttpStatus(Refusal refusal);
// A sentence for problem+json that says what to change. `needed` is the route's scope.
std::string Detail(Refusal refusal, Scope needed);
// The header line with its CRLF, for net::Response::headers (RFC 6750, section 3).
std::string ChallengeHeader(Refusal refusal, Scope needed);

}  // namespace weir::security

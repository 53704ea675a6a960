#include "security/identity.h"

#include <algorithm>
#include <array>

namespace weir::security {
namespace {

constexpr std::array kScopes = {Scope::kSubmit, Scope::kRead, Scope::kAlerts, Scope::kOperate};

}  // namespace

std::string_view Name(Scope scope) {
  switch (scope) {
    case Scope::kSubmit:
      return "submit";
    case Scope::kRead:
      return "read";
    case Scope::kAlerts:
      return "alerts";
    case Scope::kOperate:
      return "operate";
  }
  return "";
}

base::Result<Scopes> ParseScopes(std::string_view text) {
  if (text == "all") return Scopes::All();
  Scopes scopes;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    const auto scope =
        std::ranges::find_if(kScopes, [word](Scope known) { return Name(known) == word; });
    if (scope == kScopes.end()) {
      return base::Fail(base::ErrorCode::kInvalidArgument,
                        "'" + std::string(word) +
                            "' is not a scope: use submit, read, alerts, operate, separated by "
                            "commas, or all");
    }
    scopes = scopes.With(*scope);
    if (comma == std::string_view::npos) return scopes;
    text.remove_prefix(comma + 1);
  }
}

std::string ToString(Scopes scopes) {
  std::string out;
  for (const Scope scope : kScopes) {
    if (!scopes.Has(scope)) continue;
    if (!out.empty()) out += ',';
    out += Name(scope);
  }
  return out;
}

bool Identity::Allows(Scope scope, std::string_view study) const {
  return scopes.Has(scope) && (studies.empty() || std::ranges::binary_search(studies, study));
}

int HttpStatus(Refusal refusal) { return refusal == Refusal::kForbidden ? 403 : 401; }

std::string_view Detail(Refusal refusal) {
  switch (refusal) {
    case Refusal::kMissing:
      return "Send a token in the header `Authorization: Bearer <token>`.";
    case Refusal::kMalformed:
      return "The header Authorization must read `Bearer <token>`.";
    case Refusal::kInvalid:
      return "The token is not known here, or is no longer in force.";
    case Refusal::kCertificate:
      return "The token is bound to a client certificate, which this connection has not shown.";
    case Refusal::kForbidden:
      return "The token does not have the scope or the study for this.";
  }
  return "";
}

std::string_view ChallengeHeader(Refusal refusal) {
  switch (refusal) {
    case Refusal::kMissing:
      return "WWW-Authenticate: Bearer realm=\"weir\"\r\n";
    case Refusal::kMalformed:
      return "WWW-Authenticate: Bearer realm=\"weir\", error=\"invalid_request\"\r\n";
    case Refusal::kInvalid:
    case Refusal::kCertificate:
      return "WWW-Authenticate: Bearer realm=\"weir\", error=\"invalid_token\"\r\n";
    case Refusal::kForbidden:
      return "WWW-Authenticate: Bearer realm=\"weir\", error=\"insufficient_scope\"\r\n";
  }
  return "";
}

}  // namespace weir::security

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

int HttpStatus(Refusal refusal) {
  return refusal == Refusal::kScope || refusal == Refusal::kStudy ? 403 : 401;
}

std::string Detail(Refusal refusal, Scope needed) {
  switch (refusal) {
    case Refusal::kMissing:
      return "Send a token in the header `Authorization: Bearer <token>`.";
    case Refusal::kMalformed:
      return "The header Authorization must read `Bearer <token>`.";
    case Refusal::kInvalid:
      return "The token is not known here, or is no longer in force.";
    case Refusal::kCertificate:
      return "The token is bound to a client certificate, which this connection has not shown.";
    case Refusal::kScope:
      return "This needs a token with the scope `" + std::string(Name(needed)) + "`.";
    case Refusal::kStudy:
      return "The token is for other studies.";
  }
  return "";
}

std::string ChallengeHeader(Refusal refusal, Scope needed) {
  std::string line = "WWW-Authenticate: Bearer realm=\"weir\"";
  switch (refusal) {
    case Refusal::kMissing:
      break;
    case Refusal::kMalformed:
      line += ", error=\"invalid_request\"";
      break;
    case Refusal::kInvalid:
    case Refusal::kCertificate:
      line += ", error=\"invalid_token\"";
      break;
    case Refusal::kScope:
      line.append(", error=\"insufficient_scope\", scope=\"").append(Name(needed)).append("\"");
      break;
    case Refusal::kStudy:
      line += ", error=\"insufficient_scope\"";
      break;
  }
  return line + "\r\n";
}

}  // namespace weir::security

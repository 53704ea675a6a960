#include "security/standing.h"

#include "security/authenticator.h"

namespace weir::security {

Standing::Standing(const TokenStore& store, std::string_view authorization, Scope scope)
    : store_(store), secret_(base::Sha256(BearerToken(authorization))), scope_(scope) {
  Look();
}

void Standing::Look() {
  generation_ = store_.generation();
  table_ = store_.table();
  closed_ = closed_ || table_->size() > 0;
  token_ = table_->FindHash(secret_);
}

bool Standing::Holds(int64_t now_ms) {
  if (store_.generation() != generation_) Look();
  if (!closed_) return true;
  return token_ != nullptr && token_->Active(now_ms) && token_->identity.Allows(scope_);
}

}  // namespace weir::security

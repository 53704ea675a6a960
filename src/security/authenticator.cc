#include "security/authenticator.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/sha256.h"
#include "security/private_file.h"

namespace weir::security {
namespace {

const Identity kAnonymous{"anonymous", Scopes::All(), {}};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

}  // namespace

std::string_view BearerToken(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    if (Lower(authorization[i]) != kScheme[i]) return {};
  }
  authorization.remove_prefix(kScheme.size());
  const size_t from = authorization.find_first_not_of(' ');
  return from == std::string_view::npos ? std::string_view() : authorization.substr(from);
}

Authenticator::Authenticator(const TokenStore& store)
    : store_(store), hash_key_(base::GetInt<uint64_t>(RandomBytes(sizeof hash_key_).data())) {
  Refresh();
}

Authenticator::~Authenticator() { OPENSSL_cleanse(slots_.data(), sizeof slots_); }

void Authenticator::Refresh() {
  generation_ = store_.generation();
  table_ = store_.table();
  for (Slot& slot : slots_) slot.token = nullptr;
  ever_closed_ = ever_closed_ || table_->size() > 0;
  open_ = generation_ > 0 && !ever_closed_;  // never before the tokens were read
}

// Multiplied and folded word by word, keyed: who does not know the key cannot aim at a slot. What
// is in the slot is compared in full.
size_t Authenticator::SlotOf(const Value& value) const {
  uint64_t hash = hash_key_;
  for (const uint64_t word : value) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  return hash % kSlots;
}

Authenticator::Outcome Authenticator::Check(std::string_view authorization, int64_t now_ms) {
  if (store_.generation() != generation_) [[unlikely]]
    Refresh();
  if (open_) return {&kAnonymous, Refusal::kMissing};
  if (authorization.empty()) return {nullptr, Refusal::kMissing};
  Value value{};
  if (authorization.size() > sizeof value) {
    return CheckUncached(authorization, now_ms, nullptr, value);
  }
  std::memcpy(value.data(), authorization.data(), authorization.size());
  Slot& slot = slots_[SlotOf(value)];
  uint64_t difference = 0;  // of all words, however early they differ: constant time
  for (size_t i = 0; i < kWords; ++i) difference |= value[i] ^ slot.value[i];
  if (slot.token == nullptr || difference != 0) {
    return CheckUncached(authorization, now_ms, &slot, value);
  }
  if (!slot.token->Active(now_ms)) return {nullptr, Refusal::kInvalid};
  return {&slot.token->identity, Refusal::kInvalid};
}

Authenticator::Outcome Authenticator::CheckUncached(std::string_view authorization, int64_t now_ms,
                                                    Slot* slot, const Value& value) {
  const std::string_view secret = BearerToken(authorization);
  if (secret.empty()) return {nullptr, Refusal::kMalformed};
  const Token* token = table_->Find(secret);
  if (token == nullptr || !token->Active(now_ms)) return {nullptr, Refusal::kInvalid};
  if (slot != nullptr) *slot = {token, value};
  return {&token->identity, Refusal::kInvalid};
}

Authenticator::Outcome Authenticator::Check(std::string_view authorization, int64_t now_ms,
                                            Scope scope, std::string_view study) {
  const Outcome outcome = Check(authorization, now_ms);
  if (!outcome) return outcome;
  if (!outcome.identity->Allows(scope)) return {nullptr, Refusal::kScope};
  if (!outcome.identity->Allows(scope, study)) return {nullptr, Refusal::kStudy};
  return outcome;
}

}  // namespace weir::security

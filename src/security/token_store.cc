#include "security/token_store.h"

#include <sys/stat.h>

#include <algorithm>

namespace weir::security {

TokenTable::TokenTable(std::vector<Token> tokens) : tokens_(std::move(tokens)) {
  std::ranges::sort(tokens_, {}, &Token::sha256);
}

// The binary search leaks, through its time, how much of the *hash* of what was sent agrees with a
// stored hash. That helps nobody: whoever could choose inputs by their hash would have to invert
// SHA-256, and the comparison that decides is in constant time.
const Token* TokenTable::FindHash(const base::Digest& sha256) const {
  const auto found = std::ranges::lower_bound(tokens_, sha256, {}, &Token::sha256);
  if (found == tokens_.end()) return nullptr;
  return base::EqualInConstantTime(found->sha256.view(), sha256.view()) ? &*found : nullptr;
}

const Token* TokenTable::Find(std::string_view secret) const {
  return FindHash(base::Sha256(secret));
}

size_t TokenTable::active(int64_t now_ms) const {
  return static_cast<size_t>(std::ranges::count_if(
      tokens_, [now_ms](const Token& token) { return token.Active(now_ms); }));
}

TokenStore::TokenStore(std::string path)
    : path_(std::move(path)), table_(std::make_shared<const TokenTable>(std::vector<Token>())) {}

TokenStore::Stamp TokenStore::StampOf(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec,
          status.st_size};
}

base::Status TokenStore::Reload() {
  // Taken before the file is read: a change in between is seen at the next look.
  const Stamp stamp = StampOf(path_);
  auto tokens = LoadTokens(path_);
  const std::lock_guard lock(mutex_);
  stamp_ = stamp;
  if (!tokens) return base::Fail(std::move(tokens).error());
  table_ = std::make_shared<const TokenTable>(std::move(*tokens));
  generation_.fetch_add(1, std::memory_order_release);
  return {};
}

base::Result<bool> TokenStore::ReloadIfChanged() {
  {
    const std::lock_guard lock(mutex_);
    if (generation() > 0 && StampOf(path_) == stamp_) return false;
  }
  WEIR_RETURN_IF_ERROR(Reload());
  return true;
}

std::shared_ptr<const TokenTable> TokenStore::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

}  // namespace weir::security

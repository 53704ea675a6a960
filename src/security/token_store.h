// The tokens of a running server: a snapshot that loops read without a lock, replaced when the file
// changes.
//
//   TokenStore store(path);                  // once
//   store.Reload(...);                       // at start, and on SIGHUP
//   store.ReloadIfChanged(...);              // every two seconds, or more often
//   Authenticator authenticator(store);      // one per loop
//   authenticator.Check(request.authorization, now_ms);
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "security/tokens.h"

namespace weir::security {

// Immutable. Any thread.
class TokenTable {
 public:
  explicit TokenTable(std::vector<Token> tokens);
  // The token whose secret this is, in force or not; nullptr if there is none. Time does not depend
  // on how much of a hash agrees.
  const Token* Find(std::string_view secret) const;
  const Token* FindHash(const base::Digest& sha256) const;
  size_t size() const { return tokens_.size(); }
  size_t active(int64_t now_ms) const;
  const std::vector<Token>& all() const { return tokens_; }

 private:
  std::vector<Token> tokens_;  // sorted by hash
};

class TokenStore {
 public:
  explicit TokenStore(std::string path);

  // Reads the file. After an error the tokens of before stay in force.
  base::Status Reload();
  // Reload() if the file's identity, size or time has changed. True: it was read anew.
  base::Result<bool> ReloadIfChanged();

  std::shared_ptr<const TokenTable> table() const;
  // Grows by one with each table; cheap to read for each request.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  struct Stamp {
    uint64_t inode = 0;
    int64_t mtime_ns = 0;
    int64_t size = -1;  // -1: there is no file
    bool operator==(const Stamp&) const = default;
  };
  static Stamp StampOf(const std::string& path);

  const std::string path_;
  std::atomic<uint64_t> generation_{0};
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const TokenTable> table_;
  Stamp stamp_;
};

}  // namespace weir::security

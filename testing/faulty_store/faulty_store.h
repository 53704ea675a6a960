// A store that fails where a test wants it: at the n-th call that may fail, once or from then on.
//
// Calls that may fail are Begin, Commit, Savepoint, ReleaseSavepoint, Execute and each Step of a
// statement. A *crash* loses the transaction in progress and fails every later call, as the end of
// the process would; the rows are read afterwards through a new database.
// Threads: the settings from any, the rest as store::Database.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "store/database.h"

namespace weir::testing {

// Shared by a FaultyStore and its connections.
class StoreFaults {
 public:
  // The call with this number (from 0, counted since the last setting) crashes.
  void CrashAt(uint64_t call);
  // The next `times` calls that touch a statement whose SQL contains `sql` (any, if empty) fail.
  void FailNext(uint64_t times, base::Error error, std::string sql = {});
  void Heal();
  uint64_t calls() const { return calls_.load(); }
  bool crashed() const { return crashed_.load(); }

  // Before each call: the error to return instead, if any.
  std::optional<base::Error> Next(std::string_view sql);

 private:
  std::mutex mutex_;
  std::atomic<uint64_t> calls_{0};
  std::optional<uint64_t> crash_at_;
  std::atomic<bool> crashed_{false};
  uint64_t failures_left_ = 0;
  std::optional<base::Error> error_;
  std::string sql_;
};

class FaultyStore final : public store::Database {
 public:
  FaultyStore(store::Database& store, StoreFaults& faults) : store_(store), faults_(faults) {}
  base::Result<std::unique_ptr<store::Connection>> OpenWriter() override;
  base::Result<std::unique_ptr<store::Connection>> OpenReader() override;
  base::Status Migrate(std::span<const store::Migration> migrations) override {
    return store_.Migrate(migrations);
  }

 private:
  store::Database& store_;
  StoreFaults& faults_;
};

}  // namespace weir::testing

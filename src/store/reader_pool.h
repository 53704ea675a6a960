// A bounded number of reading connections, lent one at a time to whoever answers a request.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "store/database.h"

namespace weir::store {

class ReaderPool {
 public:
  // Opens them all. The database outlives the pool, the pool every lease.
  static base::Result<std::unique_ptr<ReaderPool>> Open(Database& database, size_t connections);

  // Gives the connection back when destroyed.
  class Lease {
   public:
    Lease(ReaderPool* pool, std::unique_ptr<Connection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_.get(); }

   private:
    ReaderPool* pool_;
    std::unique_ptr<Connection> connection_;
  };

  // Any thread but a loop: waits until one is free. Statements that are still running at
  // `deadline_ns` (steady clock; 0: none) fail with kDeadline, so that nobody waits for long.
  Lease Borrow(int64_t deadline_ns = 0);

 private:
  ReaderPool() = default;
  void GiveBack(std::unique_ptr<Connection> connection);

  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Connection>> free_;  // guarded by mutex_
};

}  // namespace weir::store

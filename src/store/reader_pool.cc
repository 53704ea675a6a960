#include "store/reader_pool.h"

namespace weir::store {

base::Result<std::unique_ptr<ReaderPool>> ReaderPool::Open(Database& database, size_t connections) {
  std::unique_ptr<ReaderPool> pool(new ReaderPool());
  for (size_t i = 0; i < connections; ++i) {
    WEIR_ASSIGN_OR_RETURN(auto connection, database.OpenReader());
    pool->free_.push_back(std::move(connection));
  }
  return pool;
}

ReaderPool::Lease::~Lease() {
  if (connection_) pool_->GiveBack(std::move(connection_));
}

ReaderPool::Lease ReaderPool::Borrow(int64_t deadline_ns) {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [this] { return !free_.empty(); });
  std::unique_ptr<Connection> connection = std::move(free_.back());
  free_.pop_back();
  lock.unlock();
  connection->SetDeadline(deadline_ns);
  return {this, std::move(connection)};
}

void ReaderPool::GiveBack(std::unique_ptr<Connection> connection) {
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(connection));
  }
  freed_.notify_one();
}

}  // namespace weir::store

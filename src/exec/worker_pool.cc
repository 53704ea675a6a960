#include "exec/worker_pool.h"

#include <chrono>
#include <utility>

#include "base/check.h"
#include "exec/thread.h"

namespace weir::exec {

WorkerPool::WorkerPool(Options options)
    : options_(std::move(options)),
      queue_({.count_max = options_.queue_max, .bytes_max = options_.queue_bytes_max}) {
  WEIR_CHECK(options_.threads > 0);
  workers_.reserve(options_.threads);
  for (unsigned i = 0; i < options_.threads; ++i) workers_.emplace_back([this, i] { Run(i); });
}

WorkerPool::~WorkerPool() { Stop(0); }

bool WorkerPool::TrySubmit(Task&& task, size_t bytes) {
  if (queue_.TryPush(std::move(task), bytes)) return true;
  refused_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void WorkerPool::Run(unsigned index) {
  SetThreadName(options_.name + "-" + std::to_string(index));
  if (options_.nice != 0) SetThreadNice(options_.nice);  // refused: runs at normal priority
  while (auto task = queue_.Pop()) {
    running_.fetch_add(1, std::memory_order_relaxed);
    (*task)();
    task.reset();  // what the task owns goes before it counts as done
    running_.fetch_sub(1, std::memory_order_relaxed);
    done_.fetch_add(1, std::memory_order_relaxed);
  }
  const std::lock_guard lock(idle_mutex_);
  ++ended_;
  idle_.notify_all();
}

size_t WorkerPool::Stop(int deadline_ms) {
  if (workers_.empty()) return 0;
  queue_.Close();
  {
    std::unique_lock lock(idle_mutex_);
    idle_.wait_for(lock, std::chrono::milliseconds(deadline_ms),
                   [this] { return ended_ == workers_.size(); });
  }
  // In this order: a task that ends because of stopping() must find nothing more to run.
  const size_t dropped = queue_.Clear();
  stopping_.store(true, std::memory_order_relaxed);
  dropped_.store(dropped, std::memory_order_relaxed);
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
  return dropped;
}

WorkerPool::Stats WorkerPool::stats() const {
  return {.queued = queue_.size(),
          .queued_bytes = queue_.bytes(),
          .running = running_.load(std::memory_order_relaxed),
          .done = done_.load(std::memory_order_relaxed),
          .refused = refused_.load(std::memory_order_relaxed),
          .dropped = dropped_.load(std::memory_order_relaxed)};
}

}  // namespace weir::exec

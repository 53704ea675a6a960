// A fixed number of threads, fed by one bounded queue. No thread is ever made for a task.
//
// TrySubmit() never waits: false means that the queue is full (or the pool stopped), and the caller
// still has its task. Tasks must not throw: an exception ends the process.
//
// Stop() refuses new tasks, lets the workers finish what is queued until the deadline, drops what
// is then still queued, and returns when the last running task has ended: a running task is never
// abandoned, so one that may take long watches stopping(), which turns true at the deadline.
// Threads: TrySubmit and the getters from any; Stop and the destructor (which stops at once) from
// the owner, never from a worker.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "exec/bounded_queue.h"
#include "exec/task.h"

namespace weir::exec {

class WorkerPool {
 public:
  struct Options {
    std::string name = "worker";  // threads are named "<name>-<index>"
    unsigned threads = 1;         // at least 1
    size_t queue_max = 20'000;
    size_t queue_bytes_max = 64u << 20;
    int nice = 0;  // 0 to 19
  };
  struct Stats {
    size_t queued = 0;
    size_t queued_bytes = 0;
    unsigned running = 0;
    uint64_t done = 0;
    uint64_t refused = 0;
    uint64_t dropped = 0;  // by Stop()
  };

  explicit WorkerPool(Options options);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // `bytes` is what the task keeps in memory. False: `task` is untouched.
  [[nodiscard]] bool TrySubmit(Task&& task, size_t bytes = 0);

  // Returns the number of tasks dropped. A second call does nothing.
  size_t Stop(int deadline_ms);

  // The deadline of Stop() has passed: end soon.
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
  Stats stats() const;
  unsigned threads() const { return options_.threads; }

 private:
  void Run(unsigned index);

  const Options options_;
  BoundedQueue<Task> queue_;
  std::atomic<bool> stopping_{false};
  std::atomic<unsigned> running_{0};
  std::atomic<uint64_t> done_{0}, refused_{0}, dropped_{0};
  std::mutex idle_mutex_;
  std::condition_variable idle_;
  unsigned ended_ = 0;  // workers that have returned; guarded by idle_mutex_
  std::vector<std::thread> workers_;
};

}  // namespace weir::exec

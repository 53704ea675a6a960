// A queue between threads that is bounded by count and by bytes, and never blocks who puts in.
//
// Push() refuses what does not fit; what to do then (answer 503, leave it in the journal) is the
// producer's affair. Values come out in the order in which they went in.
// Threads: any number of producers and consumers. After Close() nothing goes in, what is inside
// still comes out, and then every Pop() returns nothing at once.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace weir::exec {

template <class T>
class BoundedQueue {
 public:
  struct Limits {
    size_t count_max = 20'000;
    size_t bytes_max = 64u << 20;  // a value larger than this never fits
  };

  explicit BoundedQueue(Limits limits) : limits_(limits) {}
  BoundedQueue(const BoundedQueue&) = delete;
  BoundedQueue& operator=(const BoundedQueue&) = delete;

  // False: full or closed, and `value` is untouched. `bytes` is what the value holds in memory, as
  // its producer counts it.
  [[nodiscard]] bool TryPush(T&& value, size_t bytes = 0) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || entries_.size() >= limits_.count_max || bytes > limits_.bytes_max - bytes_) {
        return false;
      }
      entries_.push_back({std::move(value), bytes});
      bytes_ += bytes;
    }
    filled_.notify_one();
    return true;
  }

  // Waits for a value. Nothing: closed and empty.
  std::optional<T> Pop() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return closed_ || !entries_.empty(); });
    return Take();
  }

  // The same, for at most `timeout`. Nothing: none came, or closed and empty.
  std::optional<T> PopFor(std::chrono::nanoseconds timeout) {
    std::unique_lock lock(mutex_);
    filled_.wait_for(lock, timeout, [this] { return closed_ || !entries_.empty(); });
    return Take();
  }

  std::optional<T> TryPop() {
    const std::lock_guard lock(mutex_);
    return Take();
  }

  void Close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    filled_.notify_all();
  }

  // Drops what is inside; returns how many values that were.
  size_t Clear() {
    std::deque<Entry> dropped;  // destroyed outside the lock
    const std::lock_guard lock(mutex_);
    dropped.swap(entries_);
    bytes_ = 0;
    return dropped.size();
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }
  size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  const Limits& limits() const { return limits_; }

 private:
  struct Entry {
    T value;
    size_t bytes;
  };

  std::optional<T> Take() {
    if (entries_.empty()) return std::nullopt;
    std::optional<T> value(std::move(entries_.front().value));
    bytes_ -= entries_.front().bytes;
    entries_.pop_front();
    return value;
  }

  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Entry> entries_;
  size_t bytes_ = 0;
  bool closed_ = false;
};

}  // namespace weir::exec

// What one loop has counted: written by its thread alone, read by any.
#pragma once

#include <atomic>
#include <cstdint>

#include "net/server.h"

namespace weir::net {

class Counter {
 public:
  // A load and a store, not a locked addition: there is one writer.
  void Add(uint64_t count) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct alignas(64) Counters {
  Counter opened;
  Counter closed;
  Counter refused;
  Counter requests;
  Counter responses_by_class[6];
  Counter timeouts;
  Counter http2_opened;
  Counter http2_refused;  // streams
  Counter http2_floods;   // connections ended for them
  Counter bytes_in;
  Counter bytes_out;

  void AddTo(ServerStats& stats) const {
    const uint64_t closed_now = closed.value();
    const uint64_t opened_now = opened.value();
    stats.accepted += opened_now;
    stats.connections += opened_now > closed_now ? opened_now - closed_now : 0;
    stats.refused += refused.value();
    stats.requests += requests.value();
    for (int i = 0; i < 6; ++i) stats.responses_by_class[i] += responses_by_class[i].value();
    stats.timeouts += timeouts.value();
    stats.http2_connections += http2_opened.value();
    stats.http2_streams_refused += http2_refused.value();
    stats.http2_floods += http2_floods.value();
    stats.bytes_in += bytes_in.value();
    stats.bytes_out += bytes_out.value();
  }
};

}  // namespace weir::net

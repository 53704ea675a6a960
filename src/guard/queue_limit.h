// How many may wait for a service that works in batches (the disk, with its group commit): the
// other half of the default shedder.
//
// While nothing waits for longer than a few of the service's own times, there is no limit: bursts
// are what a queue is for. Once batch after batch, for 25 ms, either the oldest has waited for more
// than
//     target = max(20 ms, 3 × the service's time)
// or what waits behind it will (so many batches of its size), the queue stands: then so many may
// wait as are served within the target (Little's law: rate × target; the rate is that of half a
// second, and at least half of that of five, so that a stall does not count for long). But only a
// service that is busy nearly all the time: otherwise it is the processors that records wait for,
// and to refuse one costs them as much as to take it. A service
// that has served nothing for half a second while records wait is limited as well. The limit ends
// when nothing was shed for a second. Because the target follows the service's own time, which
// contains no waiting, a long queue does not make itself look normal.
//
// Times are steady nanoseconds. Threads: the owner serialises calls. Memory: fixed. No call
// allocates.
#pragma once

#include <cstdint>

#include "guard/rolling_window.h"

namespace weir::guard {

class QueueLimit {
 public:
  static constexpr int64_t kNone = INT64_MAX;

  explicit QueueLimit(int64_t now_ns);

  struct Batch {
    int64_t records = 0;
    int64_t service_ns = 0;  // what it took
    int64_t waited_ns = 0;   // by its oldest, service included
    int64_t behind = 0;      // records that wait now
    int64_t busy_ns = 0;     // what all services up to now took, these included
  };
  void Served(const Batch& batch, int64_t now_ns);
  // Whether one more may wait while `waiting` do.
  bool Allow(int64_t waiting, int64_t now_ns);
  int64_t limit() const { return limit_; }  // kNone: no limit

 private:
  struct Count {
    int64_t records = 0;
    int64_t busy_ns = 0;
  };
  static constexpr int kBuckets = 100;

  int64_t TargetNs() const;
  int64_t LimitNow(int64_t now_ns) const;
  bool Busy(int64_t now_ns) const;

  RollingWindow<Count, kBuckets> served_;
  double service_mean_ns_ = 0;
  int64_t busy_ns_ = 0;            // see Batch
  int64_t progress_ns_;            // when something was last served, or nothing waited
  int64_t late_since_ns_ = kNone;  // since when each batch has been late
  int64_t shed_ns_ = 0;            // when something was last shed
  int64_t limit_ = kNone;
};

}  // namespace weir::guard

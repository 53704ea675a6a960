// What one target must still be told: which delivery is next, and when.
//
// Urgent alerts come before elevated ones, and among those the one that is due first. A target that
// has not shown since the start, or since its last failure, that it answers is tried with one
// delivery at a time; after three failures in a row it is left alone for a while, which grows. So a
// target that is down costs one attempt now and then, however much waits for it. A delivery that it
// answers and cannot digest counts once in that, so it does not keep the others away.
//
// Not thread-safe; time and randomness are arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <tuple>

#include "alerts/retry.h"
#include "base/offset.h"

namespace weir::alerts {

// One delivery, by its place in the outbox. About 100 bytes with its place in a TargetQueue.
struct PendingDelivery {
  base::Offset report;
  uint8_t stage = 0;
  bool urgent = false;
  uint32_t attempts = 0;  // made by this process
  int64_t since_ns = 0;   // when this process took it up, steady clock
  int64_t due_ns = 0;
};

class TargetQueue {
 public:
  TargetQueue(const RetryOptions& retry, unsigned in_flight_max)
      : retry_(retry), in_flight_max_(in_flight_max) {}

  void Add(const PendingDelivery& delivery) {
    (delivery.urgent ? urgent_ : others_).insert(delivery);
  }

  // The next one, if it is due and may be tried now; then exactly one of the three below follows.
  std::optional<PendingDelivery> Take(int64_t now_ns);
  // The target answered, with or without taking it: it is not the target that is at fault.
  void Answered();
  // Tries it again later. `target_fault`: there was no answer. `retry_after_ms`: what the target
  // asked for, for everything.
  void Failed(PendingDelivery delivery, bool target_fault, std::optional<int64_t> retry_after_ms,
              int64_t now_ns, uint64_t random);
  // It was not tried after all: tries it again in `wait_ms`.
  void PutBack(PendingDelivery delivery, int64_t now_ns, int64_t wait_ms);
  // It was not tried, and need not be.
  void Drop() { --in_flight_; }

  // When Take() may give something, if nothing is given back before; INT64_MAX: not before that.
  int64_t next_ns() const;

  size_t waiting(bool urgent) const { return (urgent ? urgent_ : others_).size(); }
  unsigned in_flight() const { return in_flight_; }
  unsigned failures() const { return failures_; }  // in a row
  bool proven() const { return proven_; }

 private:
  struct DueFirst {
    bool operator()(const PendingDelivery& a, const PendingDelivery& b) const {
      return std::tie(a.due_ns, a.report, a.stage) < std::tie(b.due_ns, b.report, b.stage);
    }
  };
  using Waiting = std::set<PendingDelivery, DueFirst>;
  bool MayStart() const;

  RetryOptions retry_;
  unsigned in_flight_max_;
  Waiting urgent_, others_;
  unsigned in_flight_ = 0;
  unsigned failures_ = 0;
  bool proven_ = false;
  int64_t closed_until_ns_ = 0;  // nothing is tried before
};

}  // namespace weir::alerts

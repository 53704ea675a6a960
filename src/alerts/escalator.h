// Escalates urgent alerts that nobody has acknowledged for a configured time: each once.
//
// The time is measured on the steady clock from when the alert was first seen open; for one that
// was raised before that (a restart), what has passed by the wall clock counts too, up to the whole
// time. So a wall clock that jumps can neither escalate at once what was just raised nor put off
// what is due. The record's key makes it once per alert, whatever crashes in between.
//
// Not thread-safe; runs on the delivery engine's thread. Memory: at most tracked_max alerts, 64
// bytes each; the rest wait in the store.
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "alerts/alert.h"
#include "base/clock.h"
#include "base/result.h"
#include "journal/journal.h"
#include "observe/log.h"
#include "store/database.h"

namespace weir::alerts {

struct EscalationOptions {
  int64_t after_ms = 900'000;  // 0: never
  // Each is a sync of its own, on the thread that delivers.
  unsigned per_second_max = 200;
  size_t tracked_max = 100'000;
};

class Escalator {
 public:
  // Everything given must outlive it.
  Escalator(const EscalationOptions& options, journal::Journal& journal, const base::Clock& clock,
            observe::Log& log);

  // Looks for alerts raised since the last time if `changed`, and escalates what is due. Errors:
  // the store's, and kStopped once the journal takes nothing more; worth another Turn() but for
  // kStopped.
  base::Status Turn(store::Connection& reader, bool changed);
  // When Turn() has something to do though nothing changed; steady clock. INT64_MAX: not before.
  int64_t next_ns() const;
  uint64_t escalated() const { return escalated_; }

 private:
  base::Status FindOld(store::Connection& reader);
  base::Status FindNew(store::Connection& reader);
  base::Status EscalateDue(store::Connection& reader);
  base::Status Escalate(Offset report);
  void Track(Offset report, int64_t created_ms);

  const EscalationOptions options_;
  journal::Journal& journal_;
  const base::Clock& clock_;
  observe::Log& log_;
  std::set<std::pair<int64_t, Offset>> tracked_;  // due, steady clock → report
  bool started_ = false;                          // new_after_ is set
  bool old_done_ = false;   // every alert that was open at the start is tracked
  int64_t old_after_ = -1;  // the last offset of those that is
  int64_t new_after_ = 0;   // the last event that was looked at
  bool more_new_ = false;   // there may be more after it
  int64_t second_ns_ = 0;   // start of the second in which in_second_ were escalated
  unsigned in_second_ = 0;
  int64_t not_before_ns_ = 0;
  uint64_t escalated_ = 0;
};

}  // namespace weir::alerts

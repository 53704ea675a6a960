// A server in virtual time behind the default shedder: guard::Gate in mode auto, the class that
// serves, fed with what a loop of the real server feeds it.
//
// The model is one loop on one processor, and one disk:
// - The loop takes what is ready in order: calls, its own wake, outcomes of syncs. A call that is
//   let in costs it `cost_ns`, one that is refused `refusal_ns`. So what comes too quickly waits in
//   its socket, and the wake that queues with it, each 10 ms while there is work, measures how long
//   (Gate::Lag). The CPU of each 250 ms (Gate::Cpu) is what the trace tells, or how long the loop
//   was busy.
// - Calls of the classes urgent and report are handed to the disk when they are let in. It takes
//   `sync_ns`, or what the trace tells, for at most `sync_records` at a time; the next group
//   gathers while one is written (Gate::Queued, Unqueued, Served).
// - Then, or at once where there is no disk, the call's own service time begins. It occupies
//   neither the loop nor the disk, but counts as in flight until it has passed (Gate::Left).
// All calls are of one study; clients do not come again.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "app/simulate/trace.h"
#include "guard/criticality.h"
#include "guard/gate.h"

namespace weir::app {

struct ServerModel {
  guard::GateOptions gate = {};  // its mode is kAuto
  int64_t cost_ns = 10'000;      // bench/run guard: 7 to 11 µs to refuse, half as much again
  int64_t refusal_ns = 7'000;    // to take
  int64_t sync_ns = 1'000'000;   // until the trace tells another
  int64_t sync_records = 256;
  uint64_t seed = 1;
};

// What happened in one second of the trace.
struct ServedSecond {
  struct Class {
    int64_t offered = 0;
    int64_t refused = 0;
  };
  // By when calls came.
  std::array<Class, guard::kCriticalities> by_class{};
  int64_t failed = 0;  // of those that were let in
  // By when it happened.
  int64_t answered = 0;        // of those that were let in
  int64_t wait_p99_ns = 0;     // of those that were answered, from when they came
  int64_t limit_low = 0;       // of reports that may wait for the disk, the least and
  int64_t limit_high = 0;      // the most; 0: there was no limit
  double processor_share = 0;  // of all arrivals, what the processors cannot take, at its end

  Class all() const;
};

// What is answered after the trace's last second is not counted.
std::vector<ServedSecond> Serve(const std::vector<TraceCall>& trace, const ServerModel& model);

}  // namespace weir::app

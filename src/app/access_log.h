// A line in the log for an answer: the route's template, the status, how long it took, and the
// trace's id where there is a span. Nothing of what was sent.
//
// A share of all answers is written, refusals too, and every failure: 5xx to a request that had
// been let in. What is shed is no failure, for under overload that is most of what comes. Each of
// the three is an event of its own, because the log bounds lines by event: a flood of one holds
// none of the others back. An answer that is not written costs a draw; one that the bound holds
// back about 0.1 µs.
//
// Threads: the loop's; the share may change from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "observe/log.h"
#include "observe/trace.h"

namespace weir::app {

class AccessLog {
 public:
  // `share`: of the answers, 0 to 1. Both outlive this object.
  AccessLog(observe::Log& log, const std::atomic<double>& share) : log_(log), share_(share) {}
  AccessLog(observe::Log& log, double share) = delete;

  // Whether any line is written of what is no failure.
  bool samples() const { return share() > 0; }

  // `draw` is called where a share is logged: uniform in [0, 1).
  template <class Draw>
  bool Wants(int status, bool let_in, Draw draw) const {
    return IsFailure(status, let_in) || (samples() && draw() < share());
  }

  struct Answer {
    int status = 0;
    bool let_in = false;
    std::optional<observe::Literal> route = {};  // none: the request has found none
    int64_t took_ms = 0;                         // with a route
    const observe::TraceId* trace = nullptr;
  };
  void Write(const Answer& answer);

 private:
  double share() const { return share_.load(std::memory_order_relaxed); }
  static bool IsFailure(int status, bool let_in) { return let_in && status >= 500; }
  void Write(const Answer& answer, observe::Log::Fields fields);

  observe::Log& log_;
  const std::atomic<double>& share_;
};

}  // namespace weir::app

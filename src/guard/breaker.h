// Stops calls to a dependency that fails, so that callers fail at once and it can recover.
//
// Two modes. kGoogle is client-side throttling (Site Reliability Engineering, "Handling Overload",
// equation 2101) with the constants of go-zero's core/breaker/googlebreaker.go: each call is
// rejected with a probability that grows with the share of failures, and rejections count as calls.
// kStates, the default, has three explicit states: closed; open, in which nothing goes out; and
// half-open, in which a few probes decide. It never counts what it rejected itself.
//
// Times are steady nanoseconds and randomness is an argument. Threads: the owner serialises calls.
// Memory: fixed. No call allocates.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "guard/rolling_window.h"

namespace weir::guard {

enum class BreakerMode { kStates, kGoogle };
enum class BreakerState { kClosed, kOpen, kHalfOpen };
// What an operator has ordered; kNone leaves the decision to the breaker.
enum class Forced { kNone, kOpen, kClosed };

std::string_view Name(BreakerState state);
std::string_view Name(BreakerMode mode);
std::string_view Name(Forced forced);

// How a call ended, for a breaker. kIgnored says nothing about the dependency: it was cancelled.
enum class Outcome { kSuccess, kFailure, kIgnored };

// How a call over HTTP ended: with an answer, or without one.
enum class CallEnd { kAnswered, kTimedOut, kNotConnected, kCancelled };
// Time-outs, connection errors, 5xx and 429 are failures. Any other answer, 4xx too, shows a
// dependency that works. `status` is looked at only where there was an answer.
Outcome ClassifyHttp(CallEnd end, int status);

// The probability with which kGoogle rejects a call, 0 to below 1.
double GoogleRejection(int64_t total, int64_t accepts, int64_t failing_buckets,
                       int64_t working_buckets);

struct BreakerOptions {
  BreakerMode mode = BreakerMode::kStates;
  // What follows is for kStates alone.
  int64_t calls_min = 20;       // fewer ended calls within the window decide nothing
  double failures_share = 0.5;  // of the ended calls, at which it opens
  int64_t slow_ns = 0;          // an answer that took this long counts as a failure; 0: none does
  int64_t open_ns = 2'000'000'000;
  int probes = 10;                         // all must succeed for it to close
  int64_t probe_lost_ns = 30'000'000'000;  // probes that did not end by then are sent anew
  bool operator==(const BreakerOptions&) const = default;
};

class Breaker {
 public:
  Breaker(const BreakerOptions& options, int64_t now_ns);

  // Stands for a call that may go out; hand it back to Ended() once.
  struct Permit {
    uint64_t generation = 0;
  };
  // nullopt: the call must not go out. `draw` is uniform in [0, 1).
  std::optional<Permit> Allow(int64_t now_ns, double draw);
  // `took_ns` is the call's duration. An outcome that belongs to an earlier state is left out.
  void Ended(Permit permit, Outcome outcome, int64_t took_ns, int64_t now_ns);

  // Before it Allow() does not pass, unless a call ends or somebody gives an order. kGoogle: 0.
  int64_t retry_ns() const;

  void Force(Forced forced) { forced_ = forced; }
  Forced forced() const { return forced_; }
  // kGoogle is open while its probability is above 0; it has no half-open state.
  BreakerState state(int64_t now_ns) const;
  uint64_t rejected() const { return rejected_; }
  uint64_t opened() const { return opened_; }  // how often; kStates alone

 private:
  struct Counts {
    int64_t total = 0;
    int64_t accepts = 0;
    int64_t failures = 0;
  };
  // 10 s in 40 buckets for kGoogle; kStates takes 2 s in 40.
  using Window = RollingWindow<Counts, 40>;

  bool GoogleAllows(int64_t now_ns, double draw);
  bool StatesAllow(int64_t now_ns);
  double RejectionNow(int64_t now_ns) const;
  void Enter(BreakerState state, int64_t now_ns);
  void DecideClosed(int64_t now_ns);

  BreakerOptions options_;
  Window window_;
  Forced forced_ = Forced::kNone;
  BreakerState state_ = BreakerState::kClosed;
  int64_t entered_ns_;
  uint64_t generation_ = 0;  // of the state; outcomes of an earlier one say nothing about this one
  int probes_out_ = 0;
  int probes_passed_ = 0;
  std::optional<int64_t> last_pass_ns_;
  uint64_t rejected_ = 0;
  uint64_t opened_ = 0;
};

}  // namespace weir::guard

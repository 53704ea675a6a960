// The breakers of all outbound dependencies, by name.
//
// Whoever calls out asks Of() once and keeps what it got: Allow() before each call, and Ended()
// with the permit after it. An operator's order to one breaker (Force) holds until it is taken back
// or the program ends. Each change of state is told once.
//
// Times are steady nanoseconds and randomness is an argument. Threads: any; a lock for each
// breaker. Memory: at most kDependenciesMax; more share the last.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guard/breaker.h"

namespace weir::guard {

struct BreakersOptions {
  bool on = true;  // off: everything may go out, and nothing is counted
  BreakerOptions breaker;
  bool operator==(const BreakersOptions&) const = default;
};

struct BreakerStatus {
  std::string name;
  BreakerMode mode = BreakerMode::kStates;
  BreakerState state = BreakerState::kClosed;
  Forced forced = Forced::kNone;
  bool on = true;
  int64_t since_ns = 0;  // of this state
  uint64_t opened = 0;
  uint64_t rejected = 0;
  uint64_t succeeded = 0;
  uint64_t failed = 0;
  uint64_t ignored = 0;
};

class Breakers;

class Dependency {
 public:
  struct Permit {
    uint32_t epoch = 0;
    Breaker::Permit of_breaker;
    int64_t started_ns = 0;
  };
  // nullopt: the call must not go out. `draw` is uniform in [0, 1).
  std::optional<Permit> Allow(int64_t now_ns, double draw);
  void Ended(const Permit& permit, Outcome outcome, int64_t now_ns);
  // When Allow() may pass after it has not: in the future. kGoogle: in a moment, by its draw.
  int64_t RetryNs(int64_t now_ns) const;

  const std::string& name() const { return name_; }
  BreakerStatus status(int64_t now_ns) const;

 private:
  friend class Breakers;
  Dependency(Breakers& owner, std::string name, const BreakersOptions& options, int64_t now_ns);
  void Configure(const BreakersOptions& options, int64_t now_ns);
  void Force(Forced forced, int64_t now_ns);
  // Under the lock: notes a change of state. Tells the owner after the lock was given back.
  std::optional<BreakerStatus> Changed(int64_t now_ns);
  BreakerStatus StatusLocked(int64_t now_ns) const;
  void Tell(const std::optional<BreakerStatus>& changed) const;

  Breakers& owner_;
  const std::string name_;
  mutable std::mutex mutex_;  // guards what follows
  BreakersOptions options_;
  uint32_t epoch_ = 0;
  std::optional<Breaker> breaker_;
  BreakerState told_ = BreakerState::kClosed;
  int64_t since_ns_;
  uint64_t opened_ = 0;
  uint64_t rejected_ = 0;
  std::array<uint64_t, 3> ended_{};  // by Outcome
};

class Breakers {
 public:
  static constexpr size_t kDependenciesMax = 256;
  // Runs on the thread of the call that changed it, without a lock; must not call back.
  using Listener = std::function<void(const BreakerStatus&)>;

  explicit Breakers(const BreakersOptions& options, Listener listener = {})
      : options_(options), listener_(std::move(listener)) {}

  // Lives as long as this object.
  Dependency& Of(std::string_view name, int64_t now_ns);
  // Breakers whose options change begin anew, closed; orders of operators stay.
  void Configure(const BreakersOptions& options, int64_t now_ns);
  // False: there is no such dependency.
  bool Force(std::string_view name, Forced forced, int64_t now_ns);
  std::vector<BreakerStatus> List(int64_t now_ns) const;  // in the order of names

 private:
  friend class Dependency;
  mutable std::mutex mutex_;
  BreakersOptions options_;                                // guarded by mutex_, likewise below
  std::vector<std::unique_ptr<Dependency>> dependencies_;  // sorted by name
  const Listener listener_;
};

}  // namespace weir::guard

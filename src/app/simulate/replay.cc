#include "app/simulate/replay.h"

#include <algorithm>
#include <queue>
#include <random>

#include "guard/breaker.h"
#include "guard/gozero_shedder.h"
#include "guard/token_buckets.h"

namespace weir::app {
namespace {

constexpr int64_t kMsNs = 1'000'000;
constexpr int64_t kSecondMs = 1'000;

// The controller asked for, and the calls that it has let through and that have not ended.
class Player {
 public:
  explicit Player(const ReplayOptions& options)
      : options_(options),
        breaker_({.mode = options.controller == Controller::kGoogle ? guard::BreakerMode::kGoogle
                                                                    : guard::BreakerMode::kStates},
                 0),
        shedder_(options.cpu_threshold, 0),
        bucket_({.per_second = options.rate, .burst = options.burst}, 1),
        random_(options.seed) {}

  bool Offer(const TraceCall& call) {
    const int64_t now_ns = call.at_ms * kMsNs;
    EndUntil(now_ns);
    Running running{.call = call};
    switch (options_.controller) {
      case Controller::kBucket:
        return bucket_.Take(1, now_ns).allowed;
      case Controller::kGoZero:
        if (!shedder_.Allow(call.cpu.value_or(0), now_ns)) return false;
        break;
      case Controller::kStates:
      case Controller::kGoogle: {
        const auto permit = breaker_.Allow(now_ns, draw_(random_));
        if (!permit) return false;
        running.permit = *permit;
        break;
      }
    }
    running_.push(running);
    return true;
  }

  std::string_view State(int64_t at_ms) const {
    return has_breaker() ? guard::Name(breaker_.state(at_ms * kMsNs)) : std::string_view();
  }

 private:
  struct Running {
    TraceCall call;
    guard::Breaker::Permit permit;
    int64_t end_ns() const { return (call.at_ms + call.service_ms) * kMsNs; }
    bool operator<(const Running& other) const { return end_ns() > other.end_ns(); }
  };

  bool has_breaker() const {
    return options_.controller == Controller::kStates || options_.controller == Controller::kGoogle;
  }

  void EndUntil(int64_t now_ns) {
    for (; !running_.empty() && running_.top().end_ns() <= now_ns; running_.pop()) {
      const Running& ended = running_.top();
      if (has_breaker()) {
        breaker_.Ended(ended.permit,
                       ended.call.fails ? guard::Outcome::kFailure : guard::Outcome::kSuccess,
                       ended.call.service_ms * kMsNs, ended.end_ns());
      } else if (ended.call.fails) {
        shedder_.Failed();
      } else {
        shedder_.Passed(ended.call.at_ms * kMsNs, ended.end_ns());
      }
    }
  }

  const ReplayOptions options_;
  guard::Breaker breaker_;
  guard::GoZeroShedder shedder_;
  guard::TokenBuckets bucket_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> draw_;
  std::priority_queue<Running> running_;
};

}  // namespace

std::vector<ReplayedSecond> Replay(const std::vector<TraceCall>& trace,
                                   const ReplayOptions& options) {
  std::vector<ReplayedSecond> seconds;
  Player player(options);
  for (const TraceCall& call : trace) {
    const auto second = static_cast<size_t>(call.at_ms / kSecondMs);
    if (seconds.size() <= second) seconds.resize(second + 1);
    ReplayedSecond& counts = seconds[second];
    ++counts.offered;
    if (player.Offer(call)) {
      ++counts.passed;
      if (call.fails) ++counts.failed;
    } else {
      ++counts.refused;
    }
    counts.state = player.State(call.at_ms);
  }
  return seconds;
}

}  // namespace weir::app

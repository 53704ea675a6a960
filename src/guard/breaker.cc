#include "guard/breaker.h"

#include <algorithm>

namespace weir::guard {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kGoogleIntervalNs = kSecondNs / 4;
constexpr int64_t kStatesIntervalNs = kSecondNs / 20;
// The constants of go-zero.
constexpr double kFactor = 1.5;
constexpr double kFactorMin = 1.1;
constexpr double kFactorRange = 0.4;
constexpr int64_t kProtection = 5;
constexpr double kBuckets = 40;
constexpr int64_t kForcedPassNs = kSecondNs;

}  // namespace

std::string_view Name(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed:
      return "closed";
    case BreakerState::kOpen:
      return "open";
    case BreakerState::kHalfOpen:
      return "half-open";
  }
  return "closed";
}

std::string_view Name(BreakerMode mode) {
  return mode == BreakerMode::kGoogle ? "google" : "states";
}

std::string_view Name(Forced forced) {
  switch (forced) {
    case Forced::kNone:
      break;
    case Forced::kOpen:
      return "open";
    case Forced::kClosed:
      return "closed";
  }
  return "none";
}

Outcome ClassifyHttp(CallEnd end, int status) {
  if (end == CallEnd::kCancelled) return Outcome::kIgnored;
  if (end != CallEnd::kAnswered || status >= 500 || status == 429) return Outcome::kFailure;
  return Outcome::kSuccess;
}

double GoogleRejection(int64_t total, int64_t accepts, int64_t failing_buckets,
                       int64_t working_buckets) {
  const double weight = std::max(
      kFactorMin, kFactor - kFactorRange * static_cast<double>(failing_buckets) / kBuckets);
  const double excess =
      static_cast<double>(total - kProtection) - weight * static_cast<double>(accepts);
  const double ratio = std::max(0.0, excess / static_cast<double>(total + 1));
  return ratio * ((kBuckets - static_cast<double>(working_buckets)) / kBuckets);
}

Breaker::Breaker(const BreakerOptions& options, int64_t now_ns)
    : options_(options),
      window_(options.mode == BreakerMode::kGoogle ? kGoogleIntervalNs : kStatesIntervalNs, now_ns),
      entered_ns_(now_ns) {}

std::optional<Breaker::Permit> Breaker::Allow(int64_t now_ns, double draw) {
  bool allowed = forced_ == Forced::kClosed;
  if (forced_ == Forced::kNone) {
    allowed =
        options_.mode == BreakerMode::kGoogle ? GoogleAllows(now_ns, draw) : StatesAllow(now_ns);
  }
  if (!allowed) {
    ++rejected_;
    return std::nullopt;
  }
  return Permit{.generation = generation_};
}

void Breaker::Ended(Permit permit, Outcome outcome, int64_t took_ns, int64_t now_ns) {
  const bool states = options_.mode == BreakerMode::kStates;
  if (permit.generation != generation_) return;
  if (states && options_.slow_ns > 0 && took_ns >= options_.slow_ns &&
      outcome == Outcome::kSuccess) {
    outcome = Outcome::kFailure;
  }
  if (states && state_ == BreakerState::kHalfOpen) {
    probes_out_ = std::max(0, probes_out_ - 1);
    if (outcome == Outcome::kFailure) Enter(BreakerState::kOpen, now_ns);
    if (outcome == Outcome::kSuccess && ++probes_passed_ >= options_.probes) {
      Enter(BreakerState::kClosed, now_ns);
    }
    return;
  }
  if (outcome == Outcome::kIgnored) return;
  Counts& counts = window_.Current(now_ns);
  ++counts.total;
  ++(outcome == Outcome::kSuccess ? counts.accepts : counts.failures);
  if (states && state_ == BreakerState::kClosed) DecideClosed(now_ns);
}

int64_t Breaker::retry_ns() const {
  if (options_.mode == BreakerMode::kGoogle || state_ == BreakerState::kClosed) return 0;
  return entered_ns_ + (state_ == BreakerState::kOpen ? options_.open_ns : options_.probe_lost_ns);
}

BreakerState Breaker::state(int64_t now_ns) const {
  if (forced_ != Forced::kNone) {
    return forced_ == Forced::kOpen ? BreakerState::kOpen : BreakerState::kClosed;
  }
  if (options_.mode == BreakerMode::kStates) return state_;
  return RejectionNow(now_ns) > 0 ? BreakerState::kOpen : BreakerState::kClosed;
}

double Breaker::RejectionNow(int64_t now_ns) const {
  Counts sum;
  int64_t failing = 0;  // buckets up to now without any success
  int64_t working = 0;  // buckets up to now without any failure
  window_.ForEach(now_ns, Window::Newest::kIncluded, [&](const Counts& counts) {
    sum.total += counts.total;
    sum.accepts += counts.accepts;
    if (counts.failures > 0) {
      working = 0;
    } else if (counts.accepts > 0) {
      ++working;
    }
    if (counts.accepts > 0) {
      failing = 0;
    } else if (counts.failures > 0) {
      ++failing;
    }
  });
  return GoogleRejection(sum.total, sum.accepts, failing, working);
}

bool Breaker::GoogleAllows(int64_t now_ns, double draw) {
  const double rejection = RejectionNow(now_ns);
  if (rejection <= 0) return true;
  const bool forced_pass = last_pass_ns_ && now_ns - *last_pass_ns_ > kForcedPassNs;
  if (!forced_pass && draw < rejection) {
    ++window_.Current(now_ns).total;
    return false;
  }
  last_pass_ns_ = now_ns;
  return true;
}

bool Breaker::StatesAllow(int64_t now_ns) {
  if (state_ == BreakerState::kClosed) return true;
  const bool paused =
      state_ == BreakerState::kOpen || probes_out_ + probes_passed_ >= options_.probes;
  if (paused) {
    const int64_t wait_ns =
        state_ == BreakerState::kOpen ? options_.open_ns : options_.probe_lost_ns;
    if (now_ns - entered_ns_ < wait_ns) return false;
    Enter(BreakerState::kHalfOpen, now_ns);
  }
  ++probes_out_;
  return true;
}

void Breaker::DecideClosed(int64_t now_ns) {
  int64_t total = 0;
  int64_t failures = 0;
  window_.ForEach(now_ns, Window::Newest::kIncluded, [&](const Counts& counts) {
    total += counts.total;
    failures += counts.failures;
  });
  if (total < options_.calls_min) return;
  const double share = static_cast<double>(failures) / static_cast<double>(total);
  if (share >= options_.failures_share) Enter(BreakerState::kOpen, now_ns);
}

void Breaker::Enter(BreakerState state, int64_t now_ns) {
  if (state == BreakerState::kOpen) ++opened_;
  state_ = state;
  entered_ns_ = now_ns;
  ++generation_;
  probes_out_ = 0;
  probes_passed_ = 0;
  window_.Clear();
}

}  // namespace weir::guard

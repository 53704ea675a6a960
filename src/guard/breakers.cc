#include "guard/breakers.h"

#include <algorithm>
#include <utility>

namespace weir::guard {
namespace {

// Between two draws of kGoogle, which may pass at any time.
constexpr int64_t kDrawAgainNs = 50'000'000;

}  // namespace

Dependency::Dependency(Breakers& owner, std::string name, const BreakersOptions& options,
                       int64_t now_ns)
    : owner_(owner), name_(std::move(name)), options_(options), since_ns_(now_ns) {
  breaker_.emplace(options.breaker, now_ns);
}

std::optional<Dependency::Permit> Dependency::Allow(int64_t now_ns, double draw) {
  std::optional<Permit> permit;
  std::optional<BreakerStatus> changed;
  {
    const std::lock_guard lock(mutex_);
    if (!options_.on && breaker_->forced() == Forced::kNone) {
      return Permit{.epoch = epoch_, .started_ns = now_ns};
    }
    if (const auto allowed = breaker_->Allow(now_ns, draw)) {
      permit = Permit{.epoch = epoch_, .of_breaker = *allowed, .started_ns = now_ns};
    } else {
      ++rejected_;
    }
    changed = Changed(now_ns);
  }
  Tell(changed);
  return permit;
}

void Dependency::Ended(const Permit& permit, Outcome outcome, int64_t now_ns) {
  std::optional<BreakerStatus> changed;
  {
    const std::lock_guard lock(mutex_);
    ++ended_[static_cast<size_t>(outcome)];
    if (permit.epoch != epoch_ || !options_.on) return;
    breaker_->Ended(permit.of_breaker, outcome, now_ns - permit.started_ns, now_ns);
    changed = Changed(now_ns);
  }
  Tell(changed);
}

int64_t Dependency::RetryNs(int64_t now_ns) const {
  const std::lock_guard lock(mutex_);
  return std::max(now_ns + kDrawAgainNs, breaker_->retry_ns());
}

void Dependency::Configure(const BreakersOptions& options, int64_t now_ns) {
  std::optional<BreakerStatus> changed;
  {
    const std::lock_guard lock(mutex_);
    if (options_ == options) return;
    options_ = options;
    ++epoch_;
    const Forced forced = breaker_->forced();
    opened_ += breaker_->opened();
    breaker_.emplace(options.breaker, now_ns);
    breaker_->Force(forced);
    changed = Changed(now_ns);
  }
  Tell(changed);
}

void Dependency::Force(Forced forced, int64_t now_ns) {
  std::optional<BreakerStatus> changed;
  {
    const std::lock_guard lock(mutex_);
    breaker_->Force(forced);
    changed = Changed(now_ns);
  }
  Tell(changed);
}

std::optional<BreakerStatus> Dependency::Changed(int64_t now_ns) {
  const BreakerState state = breaker_->state(now_ns);
  if (state == std::exchange(told_, state)) return std::nullopt;
  since_ns_ = now_ns;
  return StatusLocked(now_ns);
}

BreakerStatus Dependency::StatusLocked(int64_t now_ns) const {
  return {.name = name_,
          .mode = options_.breaker.mode,
          .state = breaker_->state(now_ns),
          .forced = breaker_->forced(),
          .on = options_.on,
          .since_ns = since_ns_,
          .opened = opened_ + breaker_->opened(),
          .rejected = rejected_,
          .succeeded = ended_[static_cast<size_t>(Outcome::kSuccess)],
          .failed = ended_[static_cast<size_t>(Outcome::kFailure)],
          .ignored = ended_[static_cast<size_t>(Outcome::kIgnored)]};
}

BreakerStatus Dependency::status(int64_t now_ns) const {
  const std::lock_guard lock(mutex_);
  return StatusLocked(now_ns);
}

void Dependency::Tell(const std::optional<BreakerStatus>& changed) const {
  if (changed && owner_.listener_) owner_.listener_(*changed);
}

Dependency& Breakers::Of(std::string_view name, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  const auto at = std::ranges::lower_bound(
      dependencies_, name, {}, [](const auto& d) { return std::string_view(d->name()); });
  if (at != dependencies_.end() && (*at)->name() == name) return **at;
  if (dependencies_.size() >= kDependenciesMax) return *dependencies_.back();
  return **dependencies_.insert(
      at, std::unique_ptr<Dependency>(new Dependency(*this, std::string(name), options_, now_ns)));
}

void Breakers::Configure(const BreakersOptions& options, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  options_ = options;
  for (const auto& dependency : dependencies_) dependency->Configure(options, now_ns);
}

bool Breakers::Force(std::string_view name, Forced forced, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  for (const auto& dependency : dependencies_) {
    if (dependency->name() != name) continue;
    dependency->Force(forced, now_ns);
    return true;
  }
  return false;
}

std::vector<BreakerStatus> Breakers::List(int64_t now_ns) const {
  const std::lock_guard lock(mutex_);
  std::vector<BreakerStatus> list;
  for (const auto& dependency : dependencies_) list.push_back(dependency->status(now_ns));
  return list;
}

}  // namespace weir::guard

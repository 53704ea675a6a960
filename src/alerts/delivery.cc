#include "alerts/delivery.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <unordered_map>

#include "alerts/delivery_load.h"
#include "alerts/delivery_trace.h"
#include "alerts/outcomes.h"
#include "alerts/target_queue.h"
#include "alerts/webhook.h"
#include "base/check.h"
#include "net/client/outcome.h"
#include "wire/envelope.h"

namespace weir::alerts {

using base::ErrorCode;
using base::Result;
using base::Status;

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kStoreRetryMs = 200;
constexpr int64_t kWaitMsMax = 1000;
constexpr int64_t kBreakerLookMs = 250;
constexpr int64_t kCountEveryNs = 5'000 * kNsPerMs;

using Answered = Result<net::ClientResponse>;

// What reaches the engine's thread from others. Shared with requests that outlive the engine.
struct Mailbox {
  std::mutex mutex;
  std::condition_variable changed;
  bool notified = true;  // the first turn looks at everything
  bool stopping = false;
  std::vector<std::pair<uint64_t, Answered>> answers;  // by ticket; at most in_flight_max

  void Notify() {
    {
      const std::lock_guard lock(mutex);
      notified = true;
    }
    changed.notify_one();
  }
};

struct TargetState {
  TargetState(Target configured, const DeliveryOptions& options, guard::Dependency& of_breakers)
      : target(std::move(configured)),
        queue(options.retry, options.in_flight_per_target_max),
        breaker(of_breakers) {}
  const Target target;
  TargetQueue queue;
  guard::Dependency& breaker;
  int64_t held_until_ns = 0;  // by its breaker
};

struct InFlight {
  size_t target;
  PendingDelivery delivery;
  guard::Dependency::Permit permit;
  std::optional<TracedAttempt> traced;
};

class EngineImpl final : public DeliveryEngine {
 public:
  EngineImpl(const DeliveryOptions& options, const Routing& routing, const DeliveryParts& parts)
      : options_(options),
        parts_(parts),
        targets_(MakeTargets(routing, options, parts)),
        loader_(Destinations(), options.waiting_per_target_max),
        escalator_(options.escalation, parts.journal, parts.clock, parts.log),
        outcomes_(parts.journal, parts.clock, parts.log),
        random_(options.seed),
        span_ids_(observe::TraceIds::Seeded()) {
    Publish();
    thread_ = std::thread([this] { Run(); });
  }
  ~EngineImpl() override { Stop(); }

  void Notify() override { mailbox_->Notify(); }

  void Stop() override {
    {
      const std::lock_guard lock(mailbox_->mutex);
      mailbox_->stopping = true;
    }
    mailbox_->changed.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  DeliveryStats stats() const override {
    const std::lock_guard lock(stats_mutex_);
    return published_;
  }

 private:
  // By pointer, since the loader keeps the queues' addresses.
  using Targets = std::vector<std::unique_ptr<TargetState>>;

  static Targets MakeTargets(const Routing& routing, const DeliveryOptions& options,
                             const DeliveryParts& parts) {
    Targets targets;
    for (const Target& target : routing.targets()) {
      guard::Dependency& breaker =
          parts.breakers.Of("webhook:" + target.name, parts.clock.SteadyNs());
      targets.push_back(std::make_unique<TargetState>(target, options, breaker));
    }
    return targets;
  }
  std::vector<OutboxLoader::Destination> Destinations() {
    std::vector<OutboxLoader::Destination> destinations;
    for (const auto& target : targets_) {
      destinations.push_back({target->target.name, &target->queue});
    }
    return destinations;
  }

  void Run() {
    pthread_setname_np(pthread_self(), "alert-delivery");
    bool changed = false;
    while (Wait(&changed)) {
      TakeAnswers();
      outcomes_.Write();
      if (const Status read = ReadStore(changed); !read) {
        parts_.log.Warn("alerts.delivery_waits", "deliveries wait for the store or the journal",
                        {observe::Because(read.error())});
        changed_again_ = changed_again_ || changed;
        store_after_ns_ = Now() + kStoreRetryMs * kNsPerMs;
        reader_.reset();
      }
      StartDue();
      Publish();
    }
    TakeAnswers();
    outcomes_.Write();
    Publish();
  }

  // False: the engine stops. `changed`: the inbox may have changed.
  bool Wait(bool* changed) {
    const int64_t now = Now();
    const int64_t next = std::min(NextNs(), now + kWaitMsMax * kNsPerMs);
    const int64_t wait_ms = std::max<int64_t>(0, (next - now + kNsPerMs - 1) / kNsPerMs);
    std::unique_lock lock(mailbox_->mutex);
    mailbox_->changed.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] {
      return mailbox_->notified || mailbox_->stopping || !mailbox_->answers.empty();
    });
    *changed = mailbox_->notified;
    mailbox_->notified = false;
    return !mailbox_->stopping;
  }

  int64_t NextNs() const {
    int64_t next = INT64_MAX;
    if (halted()) return next;
    if (!outcomes_.empty()) return outcomes_.next_ns();
    if (more_to_load_ || changed_again_) next = 0;
    next = std::max(std::min(next, escalator_.next_ns()), store_after_ns_);
    if (in_flight_.size() >= options_.in_flight_max) return next;
    const bool unproven = UnprovenInFlight() < UnprovenMax();
    for (const auto& target : targets_) {
      if (target->queue.proven() || unproven) {
        next = std::min(
            next, std::max({target->queue.next_ns(), target->held_until_ns, store_after_ns_}));
      }
    }
    return next;
  }

  Status ReadStore(bool changed) {
    if (halted() || Now() < store_after_ns_) {
      changed_again_ = changed_again_ || changed;
      return {};
    }
    if (!reader_) {
      WEIR_ASSIGN_OR_RETURN(reader_, parts_.database.OpenReader());
    }
    changed = changed || changed_again_;
    const uint64_t unrouted = loader_.unrouted();
    WEIR_ASSIGN_OR_RETURN(more_to_load_, loader_.Load(*reader_, changed, Now()));
    if (loader_.unrouted() != unrouted) {
      parts_.log.Warn("alerts.unrouted", "deliveries wait for a target that is not configured",
                      {observe::Target(loader_.unrouted_target())});
    }
    const Status escalated = escalator_.Turn(*reader_, changed);
    if (!escalated && escalated.error().code == ErrorCode::kStopped) stopped_ = true;
    WEIR_RETURN_IF_ERROR(escalated);
    changed_again_ = false;
    return CountPending();
  }

  Status CountPending() {
    if (Now() < count_after_ns_) return {};
    count_after_ns_ = Now() + kCountEveryNs;
    WEIR_ASSIGN_OR_RETURN(stats_.pending, OutboxSize(*reader_));
    return {};
  }

  void StartDue() {
    if (halted() || !outcomes_.empty() || Now() < store_after_ns_) return;
    size_t unproven = UnprovenInFlight();
    for (bool started = true; started;) {  // one of each target in turn, until none may start
      started = false;
      for (size_t i = 0; i < targets_.size() && in_flight_.size() < options_.in_flight_max; ++i) {
        const size_t index = (first_target_ + i) % targets_.size();
        TargetQueue& queue = targets_[index]->queue;
        if (!queue.proven() && unproven >= UnprovenMax()) continue;
        if (queue.next_ns() > Now()) continue;
        const auto permit = AskBreaker(*targets_[index]);
        if (!permit) continue;
        const std::optional<PendingDelivery> delivery = queue.Take(Now());
        WEIR_CHECK(delivery.has_value());
        if (!Attempt(index, *delivery, *permit)) return;
        if (!queue.proven()) unproven = UnprovenInFlight();
        started = true;
      }
      if (!targets_.empty()) first_target_ = (first_target_ + 1) % targets_.size();
    }
  }

  std::optional<guard::Dependency::Permit> AskBreaker(TargetState& state) {
    if (Now() < state.held_until_ns) return std::nullopt;
    const auto permit = state.breaker.Allow(Now(), draw_(random_));
    // An operator's order is looked at soon, whatever the breaker itself would wait for.
    if (!permit) {
      state.held_until_ns =
          std::min(state.breaker.RetryNs(Now()), Now() + kBreakerLookMs * kNsPerMs);
    }
    return permit;
  }

  // Attempts at targets that may be hanging, which may hold half of all.
  size_t UnprovenInFlight() const {
    size_t unproven = 0;
    for (const auto& target : targets_) {
      if (!target->queue.proven()) unproven += target->queue.in_flight();
    }
    return unproven;
  }
  size_t UnprovenMax() const { return std::max(1u, options_.in_flight_max / 2); }

  // False: the store cannot be read now.
  bool Attempt(size_t index, const PendingDelivery& delivery,
               const guard::Dependency::Permit& permit) {
    TargetState& state = *targets_[index];
    const Result<std::optional<Alert>> alert = Prepare(state.target, delivery);
    if (!alert || !*alert) state.breaker.Ended(permit, guard::Outcome::kIgnored, Now());
    if (!alert) {
      state.queue.PutBack(delivery, Now(), kStoreRetryMs);
      store_after_ns_ = Now() + kStoreRetryMs * kNsPerMs;
      reader_.reset();
      return false;
    }
    if (!*alert) {
      state.queue.Drop();
      return true;
    }
    const std::optional<TracedAttempt> traced = Trace(**alert);
    std::optional<observe::TraceContext> trace;
    if (traced) trace = {traced->of.trace, traced->span, traced->of.sampled, traced->of.state};
    net::ClientRequest request =
        MakeWebhook(**alert, delivery.stage, state.target, parts_.clock.WallMs(), trace);
    request.timeout_ms = options_.timeout_ms;
    request.headers.emplace_back("X-Request-Timeout-Ms", std::to_string(options_.timeout_ms));
    const uint64_t ticket = ++last_ticket_;
    const Status sent =
        parts_.client.Send(std::move(request), [mailbox = mailbox_, ticket](Answered answer) {
          {
            const std::lock_guard lock(mailbox->mutex);
            mailbox->answers.emplace_back(ticket, std::move(answer));
          }
          mailbox->changed.notify_one();
        });
    if (sent) {
      in_flight_.emplace(ticket, InFlight{index, delivery, permit, traced});
    } else {
      state.breaker.Ended(permit, guard::Outcome::kIgnored, Now());
      state.queue.PutBack(delivery, Now(), options_.retry.min_ms);
    }
    return true;
  }

  std::optional<TracedAttempt> Trace(const Alert& alert) {
    const auto context = TraceOf(alert, parts_.journal, parts_.spans != nullptr);
    if (!context) return std::nullopt;
    // A span that nobody is told of must not be a sampled one's parent.
    const bool passed_on = context->sampled && !parts_.spans;
    return TracedAttempt{*context, passed_on ? context->parent : span_ids_.NextSpan(), Now()};
  }

  // The alert to be sent. Nothing: this delivery is no longer needed, since it is out of the outbox
  // or its outcome is journalled and not yet applied.
  Result<std::optional<Alert>> Prepare(const Target& target, const PendingDelivery& delivery) {
    if (!reader_) {
      WEIR_ASSIGN_OR_RETURN(reader_, parts_.database.OpenReader());
    }
    WEIR_ASSIGN_OR_RETURN(std::optional<Alert> alert,
                          AlertToDeliver(*reader_, delivery.report, delivery.stage, target.name));
    if (!alert || delivery.attempts > 0) return alert;
    WEIR_ASSIGN_OR_RETURN(
        const std::vector<journal::KnownBody> known,
        parts_.journal.Find(wire::DeliveryKey(delivery.report, delivery.stage, target.name)));
    if (!known.empty()) alert.reset();
    return alert;
  }

  void TakeAnswers() {
    std::vector<std::pair<uint64_t, Answered>> answers;
    {
      const std::lock_guard lock(mailbox_->mutex);
      answers.swap(mailbox_->answers);
    }
    for (auto& [ticket, answer] : answers) {
      const auto found = in_flight_.find(ticket);
      auto [target, delivery, permit, traced] = found->second;
      in_flight_.erase(found);
      targets_[target]->breaker.Ended(permit, net::OutcomeOf(answer), Now());
      ++delivery.attempts;
      if (parts_.spans && traced && traced->of.sampled) {
        parts_.spans->Add(ToSpan(*traced, delivery, targets_[target]->target.name, answer, Now()));
      }
      if (answer) {
        Judge(target, delivery, *answer);
      } else if (answer.error().code == ErrorCode::kStopped) {
        targets_[target]->queue.PutBack(delivery, Now(), options_.retry.min_ms);
      } else {
        TryAgain(target, delivery, 0, answer.error().message, std::nullopt);
      }
    }
  }

  void Judge(size_t target, const PendingDelivery& delivery, const net::ClientResponse& response) {
    const Answer answer = alerts::Judge(response.status);
    const std::string detail = "HTTP " + std::to_string(response.status);
    if (answer == Answer::kRetry) {
      TryAgain(target, delivery, response.status, detail,
               net::ParseRetryAfter(response.Header("retry-after"), parts_.clock.WallMs()));
      return;
    }
    targets_[target]->queue.Answered();
    End(target, delivery, answer == Answer::kDelivered ? Ending::kDelivered : Ending::kRejected,
        response.status, detail);
  }

  void TryAgain(size_t target, const PendingDelivery& delivery, int status,
                const std::string& detail, std::optional<int64_t> retry_after_ms) {
    const int64_t tried_ms = (Now() - delivery.since_ns) / kNsPerMs;
    if (options_.retry.give_up_after_ms > 0 && tried_ms >= options_.retry.give_up_after_ms) {
      targets_[target]->queue.Drop();
      End(target, delivery, Ending::kGivenUp, status, "given up: " + detail);
      return;
    }
    ++stats_.retried;
    parts_.log.Info(
        "alerts.delivery_failed", "a delivery failed and will be tried again",
        {observe::AtOffset(delivery.report), observe::Target(targets_[target]->target.name),
         observe::HttpStatus(status), observe::Count("attempts", delivery.attempts)});
    targets_[target]->queue.Failed(delivery, status == 0, retry_after_ms, Now(), random_());
  }

  void End(size_t target, const PendingDelivery& delivery, Ending ending, int status,
           std::string detail) {
    outcomes_.Add({.delivery = delivery,
                   .target = targets_[target]->target.name,
                   .ending = ending,
                   .status = static_cast<uint16_t>(status),
                   .detail = ending == Ending::kDelivered ? std::string() : std::move(detail)});
  }

  void Publish() {
    stats_.in_flight = in_flight_.size();
    stats_.unrouted = loader_.unrouted();
    stats_.escalated = escalator_.escalated();
    stats_.delivered = outcomes_.count(Ending::kDelivered);
    stats_.rejected = outcomes_.count(Ending::kRejected);
    stats_.given_up = outcomes_.count(Ending::kGivenUp);
    stats_.targets.resize(targets_.size());
    for (size_t i = 0; i < targets_.size(); ++i) {
      const TargetQueue& queue = targets_[i]->queue;
      TargetStats& to = stats_.targets[i];
      to.name = targets_[i]->target.name;
      to.delivered = outcomes_.delivered_to(to.name);
      to.waiting = queue.waiting(true) + queue.waiting(false);
      to.in_flight = queue.in_flight();
      to.failures = queue.failures();
    }
    const std::lock_guard lock(stats_mutex_);
    published_ = stats_;
  }

  // Nothing more can be journalled, so nothing more is sent.
  bool halted() const { return stopped_ || outcomes_.stopped(); }
  int64_t Now() const { return parts_.clock.SteadyNs(); }

  const DeliveryOptions options_;
  const DeliveryParts parts_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();

  // The thread's own.
  Targets targets_;
  OutboxLoader loader_;
  Escalator escalator_;
  Outcomes outcomes_;  // nothing starts while some are not durable
  std::mt19937_64 random_;
  observe::TraceIds span_ids_;
  std::unique_ptr<store::Connection> reader_;
  std::uniform_real_distribution<double> draw_;
  std::unordered_map<uint64_t, InFlight> in_flight_;  // by ticket
  uint64_t last_ticket_ = 0;
  size_t first_target_ = 0;  // where the next round starts
  bool stopped_ = false;     // the escalator has met a journal that takes nothing
  bool more_to_load_ = false;
  bool changed_again_ = false;  // a change that could not be looked at yet
  int64_t store_after_ns_ = 0;  // the store is not read before
  int64_t count_after_ns_ = 0;
  DeliveryStats stats_;

  mutable std::mutex stats_mutex_;
  DeliveryStats published_;

  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<DeliveryEngine>> DeliveryEngine::Start(const DeliveryOptions& options,
                                                              const Routing& routing,
                                                              const DeliveryParts& parts) {
  if (options.in_flight_max == 0 || options.in_flight_per_target_max == 0 ||
      options.waiting_per_target_max == 0) {
    return base::Fail(ErrorCode::kInvalidArgument, "the bounds of deliveries must be positive");
  }
  for (const Target& target : routing.targets()) {
    if (const Status url = net::CheckUrl(target.url); !url) {
      return base::Fail(ErrorCode::kInvalidArgument,
                        "target '" + target.name + "': " + url.error().message);
    }
  }
  return std::unique_ptr<DeliveryEngine>(std::make_unique<EngineImpl>(options, routing, parts));
}

}  // namespace weir::alerts

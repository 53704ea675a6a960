#include "alerts/stream.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <thread>

#include "alerts/queries.h"
#include "alerts/subscriber.h"
#include "base/number.h"

namespace weir::alerts {

using base::ErrorCode;
using base::Result;
using base::Status;
using store::Connection;

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr size_t kPageEvents = 256;  // read from the store at once
constexpr int kRetryMs = 100;        // after the store could not be read
constexpr int kLookMs = 1000;        // heartbeats and stalls are looked for at least this often

using SubscriberPtr = std::shared_ptr<Subscriber>;  // of the stream and of the Subscription

// What reaches the stream's thread from others. Shared with subscriptions, which may outlive it.
struct Mailbox {
  std::mutex mutex;
  std::condition_variable changed;
  bool notified = false;
  bool stopping = false;
  std::vector<SubscriberPtr> joining;
  size_t subscribers = 0;  // joining included

  void Notify() {
    {
      const std::lock_guard lock(mutex);
      notified = true;
    }
    changed.notify_one();
  }
};

class SubscriptionImpl final : public Subscription {
 public:
  SubscriptionImpl(SubscriberPtr subscriber, std::shared_ptr<Mailbox> mailbox,
                   const base::Clock& clock)
      : subscriber_(std::move(subscriber)), mailbox_(std::move(mailbox)), clock_(clock) {}
  ~SubscriptionImpl() override {
    subscriber_->Leave();
    mailbox_->Notify();
  }

  bool Take(std::string& out, size_t bytes_max) override {
    const bool more = subscriber_->Take(out, bytes_max, clock_.SteadyNs());
    if (subscriber_->behind.load(std::memory_order_relaxed)) mailbox_->Notify();
    return more;
  }

 private:
  const SubscriberPtr subscriber_;
  const std::shared_ptr<Mailbox> mailbox_;
  const base::Clock& clock_;
};

Frame MakeFrame(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

Frame MakeFrame(const Event& event) {
  return MakeFrame("id: " + std::to_string(event.sequence) +
                   "\nevent: alert\ndata: " + ToJson(event.alert) + "\n\n");
}

class StreamImpl final : public Stream {
 public:
  StreamImpl(const StreamOptions& options, store::Database& database, const base::Clock& clock,
             observe::Log& log, int64_t last_sequence)
      : options_(options), database_(database), clock_(clock), log_(log), live_(last_sequence) {
    thread_ = std::thread([this] { Run(); });
  }
  ~StreamImpl() override { Close(); }

  Result<std::unique_ptr<Subscription>> Subscribe(SubscribeOptions options) override {
    auto subscriber = std::make_shared<Subscriber>(std::move(options), options_.queue_events_max,
                                                   clock_.SteadyNs());
    {
      const std::lock_guard lock(mailbox_->mutex);
      if (mailbox_->stopping) return base::Fail(ErrorCode::kStopped, "the stream has ended");
      if (mailbox_->subscribers >= options_.subscribers_max) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        return base::Fail(ErrorCode::kBacklogFull, "too many watch the stream already");
      }
      ++mailbox_->subscribers;
      mailbox_->joining.push_back(subscriber);
    }
    Notify();
    return std::unique_ptr<Subscription>(
        std::make_unique<SubscriptionImpl>(std::move(subscriber), mailbox_, clock_));
  }

  void Notify() override { mailbox_->Notify(); }

  void Close() override {
    {
      const std::lock_guard lock(mailbox_->mutex);
      mailbox_->stopping = true;
    }
    mailbox_->changed.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  StreamStats stats() const override {
    StreamStats stats;
    {
      const std::lock_guard lock(mailbox_->mutex);
      stats.subscribers = mailbox_->subscribers;
    }
    stats.refused = refused_.load(std::memory_order_relaxed);
    stats.dropped = dropped_.load(std::memory_order_relaxed);
    stats.events = events_.load(std::memory_order_relaxed);
    stats.sequence = sequence_.load(std::memory_order_relaxed);
    return stats;
  }

 private:
  void Run() {
    pthread_setname_np(pthread_self(), "alert-stream");
    int wait_ms = 0;
    while (WaitAndAdmit(wait_ms)) {
      const Result<bool> more = Turn();
      if (!more) {
        log_.Warn("alerts.stream_cannot_read", "the stream waits for the store",
                  {observe::Because(more.error())});
        reader_.reset();
      }
      Sweep();
      wait_ms = !more ? kRetryMs : *more ? 0 : std::min(options_.heartbeat_ms, kLookMs);
    }
    for (const SubscriberPtr& subscriber : subscribers_) {
      subscriber->End();
      subscriber->Signal();
    }
    subscribers_.clear();
  }

  // False: the stream ends. New subscribers are taken in, also then.
  bool WaitAndAdmit(int wait_ms) {
    std::unique_lock lock(mailbox_->mutex);
    mailbox_->changed.wait_for(lock, std::chrono::milliseconds(wait_ms),
                               [&] { return mailbox_->notified || mailbox_->stopping; });
    mailbox_->notified = false;
    for (SubscriberPtr& subscriber : mailbox_->joining) {
      subscribers_.push_back(std::move(subscriber));
    }
    mailbox_->joining.clear();
    return !mailbox_->stopping;
  }

  // True: there is more to be done at once.
  Result<bool> Turn() {
    if (!reader_) {
      WEIR_ASSIGN_OR_RETURN(reader_, database_.OpenReader());
    }
    WEIR_RETURN_IF_ERROR(PublishNew());
    bool more = false;
    for (const SubscriberPtr& subscriber : subscribers_) {
      if (subscriber->phase == Subscriber::Phase::kLive) continue;
      WEIR_ASSIGN_OR_RETURN(const bool unfinished, Fill(*subscriber));
      more = more || unfinished;
      subscriber->Signal();
    }
    return more;
  }

  // Gives what was committed since the last time to those who are live.
  Status PublishNew() {
    while (true) {
      WEIR_ASSIGN_OR_RETURN(const std::vector<Event> events,
                            EventsAfter(*reader_, live_, INT64_MAX, kPageEvents));
      for (const Event& event : events) {
        const Frame frame = MakeFrame(event);
        for (const SubscriberPtr& subscriber : subscribers_) {
          if (subscriber->phase == Subscriber::Phase::kLive) Offer(*subscriber, event, frame);
        }
        live_ = event.sequence;
      }
      for (const SubscriberPtr& subscriber : subscribers_) subscriber->Signal();
      sequence_.store(live_, std::memory_order_relaxed);
      if (events.size() < kPageEvents) return {};
    }
  }

  // False: there is no room, and the event is not considered; the subscriber is behind from now on.
  bool Offer(Subscriber& subscriber, const Event& event, const Frame& frame) {
    if (subscriber.options().scope.Allows(event.alert.study_id)) {
      if (!subscriber.Push(frame, clock_.SteadyNs())) {
        if (subscriber.phase == Subscriber::Phase::kLive) {
          SetPhase(subscriber, Subscriber::Phase::kEvents);
        }
        return false;
      }
      events_.fetch_add(1, std::memory_order_relaxed);
    }
    subscriber.cursor = event.sequence;
    return true;
  }

  static void SetPhase(Subscriber& subscriber, Subscriber::Phase phase) {
    subscriber.phase = phase;
    subscriber.behind.store(phase != Subscriber::Phase::kLive, std::memory_order_relaxed);
  }

  // One page from the store, if there is room for a good part of one. True: another may follow now.
  Result<bool> Fill(Subscriber& subscriber) {
    if (subscriber.phase == Subscriber::Phase::kNew) {
      WEIR_RETURN_IF_ERROR(Begin(subscriber));
    }
    const size_t room = subscriber.Room();
    if (room * 2 < options_.queue_events_max) return false;  // told when there is
    const size_t limit = std::min(room, kPageEvents);
    const bool unacknowledged = subscriber.phase == Subscriber::Phase::kUnacknowledged;
    WEIR_ASSIGN_OR_RETURN(
        const std::vector<Event> events,
        unacknowledged ? UnacknowledgedAfter(*reader_, subscriber.cursor, subscriber.through, limit)
                       : EventsAfter(*reader_, subscriber.cursor, live_, limit));
    for (const Event& event : events) {
      if (!Offer(subscriber, event, MakeFrame(event))) return false;
    }
    if (events.size() == limit) return true;
    if (unacknowledged) {
      // What became of them meanwhile has larger numbers.
      subscriber.cursor = subscriber.through;
      SetPhase(subscriber, Subscriber::Phase::kEvents);
      return true;
    }
    subscriber.cursor = live_;
    SetPhase(subscriber, Subscriber::Phase::kLive);
    return false;
  }

  Status Begin(Subscriber& subscriber) {
    const std::optional<int64_t> last = subscriber.options().last_event_id;
    bool known = false;
    if (last) {
      WEIR_ASSIGN_OR_RETURN(known, HasEvent(*reader_, *last));
    }
    subscriber.Push(hello_, clock_.SteadyNs());
    if (known) {
      subscriber.cursor = *last;
      SetPhase(subscriber, Subscriber::Phase::kEvents);
      return {};
    }
    if (last) subscriber.Push(reset_, clock_.SteadyNs());
    subscriber.cursor = 0;
    subscriber.through = live_;
    SetPhase(subscriber, Subscriber::Phase::kUnacknowledged);
    return {};
  }

  // Heartbeats, those who have stalled, those who have left.
  void Sweep() {
    const int64_t now = clock_.SteadyNs();
    size_t ended = 0;
    std::erase_if(subscribers_, [&](const SubscriberPtr& subscriber) {
      if (subscriber->StalledSince(now - options_.stall_timeout_ms * kNsPerMs)) {
        subscriber->End();
        subscriber->Signal();
        dropped_.fetch_add(1, std::memory_order_relaxed);
        ++ended;
        return true;
      }
      if (subscriber->gone()) {
        ++ended;
        return true;
      }
      if (now - subscriber->sent_ns >= options_.heartbeat_ms * kNsPerMs) {
        if (subscriber->Push(heartbeat_, now)) subscriber->Signal();
      }
      return false;
    });
    if (ended == 0) return;
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->subscribers -= ended;
  }

  // A client that loses the connection comes back after a second.
  const Frame hello_ = MakeFrame(std::string("retry: 1000\n\n"));
  // The number that the client sent is not of this store: what follows stands by itself.
  const Frame reset_ = MakeFrame(std::string("event: reset\ndata: {}\n\n"));
  const Frame heartbeat_ = MakeFrame(std::string(": still here\n\n"));

  const StreamOptions options_;
  store::Database& database_;
  const base::Clock& clock_;
  observe::Log& log_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();

  std::atomic<uint64_t> refused_{0}, dropped_{0}, events_{0};
  std::atomic<int64_t> sequence_{0};

  // The thread's own.
  std::unique_ptr<Connection> reader_;
  std::vector<SubscriberPtr> subscribers_;
  int64_t live_;  // the newest number that was given to those who are live

  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Stream>> Stream::Start(const StreamOptions& options,
                                              store::Database& database, const base::Clock& clock,
                                              observe::Log& log) {
  if (options.queue_events_max < 4 || options.heartbeat_ms <= 0 || options.stall_timeout_ms <= 0) {
    return base::Fail(ErrorCode::kInvalidArgument,
                      "a stream needs a queue of 4 and positive times");
  }
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> reader, database.OpenReader());
  WEIR_ASSIGN_OR_RETURN(const int64_t last, LastSequence(*reader));
  return std::unique_ptr<Stream>(std::make_unique<StreamImpl>(options, database, clock, log, last));
}

std::optional<int64_t> ParseLastEventId(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return base::ParseNumber<int64_t>(text).value_or(0);
}

}  // namespace weir::alerts

// The stream of alerts for those who watch: Server-Sent Events, in the order of their numbers.
//
// A subscriber first gets what it has missed: after Last-Event-ID every event with a larger number;
// without one, or with a number that this store does not know, the alerts that nobody has
// acknowledged. Then it gets each event once it is committed. Nothing is ever left out; the docs
// say how a client tells a repeat (docs/alerts.md).
//
// One thread reads the store and fills the subscribers' queues. A queue holds `queue_events_max`
// events; a subscriber that takes them more slowly than they come is filled from the store as it
// makes room, and delays nobody; one that takes nothing for `stall_timeout_ms` is ended, and
// resumes with Last-Event-ID.
//
// Threads: Subscribe(), Notify() and stats() from any; Start, Close and the destructor from the
// owner. Memory: subscribers_max × queue_events_max × about 400 bytes at worst; live events are
// shared.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "alerts/alert.h"
#include "base/clock.h"
#include "base/result.h"
#include "observe/log.h"
#include "store/database.h"

namespace weir::alerts {

struct StreamOptions {
  size_t subscribers_max = 1000;
  size_t queue_events_max = 256;
  int heartbeat_ms = 15'000;  // a comment to a subscriber that got nothing else
  int stall_timeout_ms = 30'000;
};

struct StreamStats {
  uint64_t subscribers = 0;  // now
  uint64_t refused = 0;      // over subscribers_max
  uint64_t dropped = 0;      // ended because they took nothing
  uint64_t events = 0;       // handed to subscribers
  int64_t sequence = 0;      // of the newest event that live subscribers have been given
};

struct SubscribeOptions {
  StudyScope scope;
  std::optional<int64_t> last_event_id;
  // Runs on the stream's thread when there is something to Take() after there was nothing, and when
  // the subscription has ended. It must only pass on (net::Loop::Post), and never calls into the
  // subscription. It does not run after the subscription's destructor has returned.
  std::function<void()> ready;
};

// One thread at a time. Its destructor unsubscribes.
class Subscription {
 public:
  virtual ~Subscription() = default;
  // Appends whole events to `out`, until there are no more or `out` has grown by `bytes_max` or
  // more: then the caller takes again, without being told to. False: the stream has ended this
  // subscription, and there is no more to come.
  virtual bool Take(std::string& out, size_t bytes_max) = 0;
};

class Stream {
 public:
  // The clock must outlive the stream. Errors: the store's.
  static base::Result<std::unique_ptr<Stream>> Start(const StreamOptions& options,
                                                     store::Database& database,
                                                     const base::Clock& clock, observe::Log& log);
  virtual ~Stream() = default;

  // kBacklogFull: there are subscribers_max. kStopped: after Close().
  virtual base::Result<std::unique_ptr<Subscription>> Subscribe(SubscribeOptions options) = 0;
  // Something was committed. Never blocks.
  virtual void Notify() = 0;
  // Ends all subscriptions and the thread.
  virtual void Close() = 0;
  virtual StreamStats stats() const = 0;
};

// Last-Event-ID as a client sent it. Nothing if it is empty; 0, which no store knows, if it is not
// a number.
std::optional<int64_t> ParseLastEventId(std::string_view text);

}  // namespace weir::alerts

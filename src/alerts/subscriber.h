// One subscriber of the stream: its queue, shared by the stream's thread and the one that takes.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "alerts/stream.h"

namespace weir::alerts {

// What is sent for one event, made once for all live subscribers: the reason why it is shared.
using Frame = std::shared_ptr<const std::string>;

class Subscriber {
 public:
  Subscriber(SubscribeOptions options, size_t queue_events_max, int64_t now_ns);

  // Where the subscriber stands; the stream's thread alone.
  enum class Phase : uint8_t {
    kNew,             // not looked at yet
    kUnacknowledged,  // gets the alerts that nobody acknowledged, up to `through`
    kEvents,          // gets events from the store
    kLive,            // has all that there is, and gets what comes
  };
  Phase phase = Phase::kNew;
  int64_t cursor = 0;   // the last number that was considered for it
  int64_t through = 0;  // kUnacknowledged: the last number of that part
  int64_t sent_ns = 0;  // when it last got anything, steady clock
  // Not kLive: room in the queue is of use to it. Set by the stream's thread, read by the taker.
  std::atomic<bool> behind{true};

  const SubscribeOptions& options() const { return options_; }

  // The stream's thread. False: the queue is full, and the frame is not taken.
  bool Push(const Frame& frame, int64_t now_ns);
  size_t Room() const;
  // Runs `ready` if there is something new to take.
  void Signal();
  // Whether something has waited since before `since_ns`, and nothing was taken.
  bool StalledSince(int64_t since_ns) const;
  // Ends it: what waits is dropped.
  void End();
  bool gone() const;

  // The thread that takes. False: ended. What `bytes_max` leaves is taken without another Signal().
  bool Take(std::string& out, size_t bytes_max, int64_t now_ns);
  void Leave();

 private:
  const SubscribeOptions options_;
  const size_t queue_events_max_;
  mutable std::mutex mutex_;  // guards what follows
  std::deque<Frame> frames_;
  int64_t waiting_ns_ = 0;    // the last Take(), or when frames_ was last empty and got something
  bool signalled_ = false;    // since the last Take()
  bool unsignalled_ = false;  // something is new since the last Signal()
  bool ended_ = false;
  bool gone_ = false;
};

}  // namespace weir::alerts

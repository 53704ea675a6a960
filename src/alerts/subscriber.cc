#include "alerts/subscriber.h"

namespace weir::alerts {

Subscriber::Subscriber(SubscribeOptions options, size_t queue_events_max, int64_t now_ns)
    : sent_ns(now_ns), options_(std::move(options)), queue_events_max_(queue_events_max) {}

bool Subscriber::Push(const Frame& frame, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (frames_.size() >= queue_events_max_) return false;
  if (frames_.empty()) waiting_ns_ = now_ns;
  frames_.push_back(frame);
  sent_ns = now_ns;
  unsignalled_ = true;
  return true;
}

size_t Subscriber::Room() const {
  const std::lock_guard lock(mutex_);
  return queue_events_max_ - frames_.size();
}

void Subscriber::Signal() {
  // Under the lock, so that it cannot run once Leave() has returned.
  const std::lock_guard lock(mutex_);
  if (gone_ || signalled_ || !unsignalled_) return;
  signalled_ = true;
  unsignalled_ = false;
  if (options_.ready) options_.ready();
}

bool Subscriber::StalledSince(int64_t since_ns) const {
  const std::lock_guard lock(mutex_);
  return !frames_.empty() && waiting_ns_ < since_ns;
}

void Subscriber::End() {
  const std::lock_guard lock(mutex_);
  frames_.clear();
  ended_ = true;
  signalled_ = false;
  unsignalled_ = true;
}

bool Subscriber::gone() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

bool Subscriber::Take(std::string& out, size_t bytes_max, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  const size_t before = out.size();
  while (!frames_.empty() && out.size() - before < bytes_max) {
    out += *frames_.front();
    frames_.pop_front();
  }
  waiting_ns_ = now_ns;
  signalled_ = !frames_.empty();
  return !ended_;
}

void Subscriber::Leave() {
  const std::lock_guard lock(mutex_);
  gone_ = true;
  frames_.clear();
}

}  // namespace weir::alerts

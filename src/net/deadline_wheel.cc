#include "net/deadline_wheel.h"

#include <algorithm>
#include <bit>

namespace weir::net {

DeadlineWheel::DeadlineWheel(int64_t now_ns) : tick_(now_ns / kTickNs) {
  for (Link& head : heads_) head.previous = head.next = &head;
}

void DeadlineWheel::PutIn(Entry& entry) {
  entry.tick_ = std::clamp<int64_t>(TickOf(entry.deadline_ns_), tick_ + 1,
                                    tick_ + static_cast<int64_t>(kBuckets) - 1);
  const size_t bucket = static_cast<size_t>(entry.tick_) % kBuckets;
  filled_[bucket / 64] |= uint64_t{1} << (bucket % 64);
  Link& head = heads_[bucket];
  entry.next = &head;
  entry.previous = head.previous;
  head.previous->next = &entry;
  head.previous = &entry;
}

void DeadlineWheel::TakeOut(Entry& entry) {
  entry.previous->next = entry.next;
  entry.next->previous = entry.previous;
  entry.tick_ = kNever;
}

void DeadlineWheel::Move(Entry& entry) {
  if (entry.tick_ != kNever) TakeOut(entry);
  PutIn(entry);
}

void DeadlineWheel::Remove(Entry& entry) {
  if (entry.tick_ != kNever) TakeOut(entry);
  entry.deadline_ns_ = kNever;
}

bool DeadlineWheel::Advance(int64_t now_ns) {
  bool any = false;
  const int64_t now_tick = now_ns / kTickNs;
  // After a long gap every bucket is looked at once, whatever its tick.
  const int64_t steps = std::min<int64_t>(now_tick - tick_, kBuckets);
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t tick = now_tick - steps + 1 + step;
    tick_ = tick;
    const size_t bucket = static_cast<size_t>(tick) % kBuckets;
    const uint64_t bit = uint64_t{1} << (bucket % 64);
    if (!(filled_[bucket / 64] & bit)) continue;
    filled_[bucket / 64] &= ~bit;
    Link& head = heads_[bucket];
    while (head.next != &head) {
      Entry& entry = static_cast<Entry&>(*head.next);
      TakeOut(entry);
      if (entry.deadline_ns_ == kNever) continue;
      if (entry.deadline_ns_ > now_ns) {
        PutIn(entry);  // never into this bucket: its tick is later, and less than a turn away
      } else {
        entry.deadline_ns_ = kNever;
        entry.OnDeadline(now_ns);
        any = true;
      }
    }
  }
  return any;
}

int64_t DeadlineWheel::NextNs() const {
  for (size_t distance = 1; distance <= kBuckets;) {
    const size_t bucket = static_cast<size_t>(tick_ + static_cast<int64_t>(distance)) % kBuckets;
    const uint64_t rest = filled_[bucket / 64] >> (bucket % 64);
    if (rest != 0) {
      distance += static_cast<size_t>(std::countr_zero(rest));
      return (tick_ + static_cast<int64_t>(distance)) * kTickNs;
    }
    distance += 64 - bucket % 64;
  }
  return kNever;
}

}  // namespace weir::net

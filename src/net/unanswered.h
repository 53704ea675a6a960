// Requests that wait for somebody else's work, each to be answered by its deadline. On the loop's
// thread.
//
// Add() names a request; Take() gives it out again by that name, once: whoever comes second finds
// nothing. One whose deadline passes is taken out and given to `late`, up to DeadlineWheel::kTickNs
// after it. A request costs its place in a table: the wheel knows only when the first of them is
// due, and then all are looked at. Their number is the owner's to bound; memory is that of the most
// there have been at once. Must live until the loop has ended.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "net/deadline_wheel.h"

namespace weir::net {

// `Request` has a deadline_ns, on the steady clock; DeadlineWheel::kNever: it waits for ever.
template <typename Request>
class Unanswered final : private DeadlineWheel::Entry {
 public:
  Unanswered(DeadlineWheel& wheel, std::function<void(Request)> late)
      : wheel_(wheel), late_(std::move(late)) {}

  uint64_t Add(Request request) {
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(places_.size()));
      places_.emplace_back();
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    WakeBy(request.deadline_ns);
    Place& place = places_[index];
    place.request = std::move(request);
    place.open = true;
    return uint64_t{place.generation} << 32 | index;
  }

  // Null: it has been taken.
  const Request* Find(uint64_t name) const {
    const Place& place = places_[static_cast<uint32_t>(name)];
    return place.open && place.generation == name >> 32 ? &place.request : nullptr;
  }
  std::optional<Request> Take(uint64_t name) {
    if (!Find(name)) return std::nullopt;
    return TakeAt(static_cast<uint32_t>(name));
  }

 private:
  struct Place {
    Request request;
    uint32_t generation = 0;  // of its name: each request has its own
    bool open = false;
  };

  Request TakeAt(uint32_t index) {
    Place& place = places_[index];
    place.open = false;
    ++place.generation;
    free_.push_back(index);
    return std::move(place.request);
  }

  void WakeBy(int64_t wake_ns) {
    if (wake_ns < deadline_ns()) wheel_.Set(*this, wake_ns);
  }

  void OnDeadline(int64_t now_ns) override {
    int64_t next_ns = DeadlineWheel::kNever;
    // By index: `late` may add and take others.
    for (uint32_t i = 0; i < places_.size(); ++i) {
      if (!places_[i].open) continue;
      if (const int64_t due_ns = places_[i].request.deadline_ns; due_ns > now_ns) {
        next_ns = std::min(next_ns, due_ns);
      } else {
        late_(TakeAt(i));
      }
    }
    WakeBy(next_ns);
  }

  DeadlineWheel& wheel_;
  const std::function<void(Request)> late_;
  std::vector<Place> places_;
  std::vector<uint32_t> free_;
};

}  // namespace weir::net

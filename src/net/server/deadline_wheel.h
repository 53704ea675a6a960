// Deadlines of many connections at O(1) each: a hashed wheel of intrusive lists.
//
// A deadline that moves later costs one store: the entry stays in its bucket, and is put into the
// right one when that comes up. So a busy keep-alive connection touches the wheel about once a
// minute. Deadlines are met up to kTickNs late, never early. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace weir::net {

class DeadlineWheel {
 public:
  static constexpr int64_t kNever = INT64_MAX;
  static constexpr int64_t kTickNs = 1 << 26;  // 67 ms
  static constexpr size_t kBuckets = 1024;     // 69 s; what lies beyond is looked at again then

  class Entry {
   public:
    Entry() = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    int64_t deadline_ns() const { return deadline_ns_; }

   private:
    friend class DeadlineWheel;
    Entry* previous_ = nullptr;
    Entry* next_ = nullptr;
    int64_t deadline_ns_ = kNever;
    int64_t tick_ = kNever;  // of its bucket; kNever: in none
  };

  explicit DeadlineWheel(int64_t now_ns);

  void Set(Entry& entry, int64_t deadline_ns) {
    entry.deadline_ns_ = deadline_ns;
    if (deadline_ns != kNever && TickOf(deadline_ns) < entry.tick_) Move(entry);
  }
  // Must precede the entry's end.
  void Remove(Entry& entry);

  // Calls `expired` for each entry whose deadline has passed; it has none afterwards.
  void Advance(int64_t now_ns, const std::function<void(Entry&)>& expired);

  // When Advance() is next worth calling; kNever if the wheel is empty.
  int64_t NextNs() const;

 private:
  static int64_t TickOf(int64_t deadline_ns) { return (deadline_ns + kTickNs - 1) / kTickNs; }
  void Move(Entry& entry);
  void Link(Entry& entry);
  void Unlink(Entry& entry);
  // All entries with a tick up to this one have been looked at.
  int64_t tick_;
  std::array<Entry, kBuckets> heads_;             // each the head of a ring
  std::array<uint64_t, kBuckets / 64> filled_{};  // a bit per bucket that may hold something
};

}  // namespace weir::net

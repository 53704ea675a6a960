// Deadlines of a loop at O(1) each: a hashed wheel of intrusive lists.
//
// A deadline that moves later costs one store: the entry stays in its bucket, and is put into the
// right one when that comes up. So a busy keep-alive connection touches the wheel about once a
// minute. Deadlines are met up to kTickNs late, never early. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace weir::net {

class DeadlineWheel {
  struct Link {
    Link* previous = nullptr;
    Link* next = nullptr;
  };

 public:
  static constexpr int64_t kNever = INT64_MAX;
  static constexpr int64_t kTickNs = 1 << 26;  // 67 ms
  static constexpr size_t kBuckets = 1024;     // 69 s; what lies beyond is looked at again then

  class Entry : private Link {
   public:
    Entry() = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    int64_t deadline_ns() const { return deadline_ns_; }

   protected:
    ~Entry() = default;

   private:
    friend class DeadlineWheel;
    // Its deadline has passed, and it has none any more. It may set one, change others, end others.
    virtual void OnDeadline(int64_t now_ns) = 0;

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

  // Tells each entry whose deadline has passed. False: there was none.
  bool Advance(int64_t now_ns);

  // When Advance() is next worth calling; kNever if the wheel is empty.
  int64_t NextNs() const;

 private:
  static int64_t TickOf(int64_t deadline_ns) { return (deadline_ns + kTickNs - 1) / kTickNs; }
  void Move(Entry& entry);
  void PutIn(Entry& entry);
  void TakeOut(Entry& entry);
  // All entries with a tick up to this one have been looked at.
  int64_t tick_;
  std::array<Link, kBuckets> heads_;              // each the head of a ring
  std::array<uint64_t, kBuckets / 64> filled_{};  // a bit per bucket that may hold something
};

}  // namespace weir::net

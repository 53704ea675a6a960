// Which tasks run, from where, and which window comes next: pure decisions of the committer.
//
// Tasks whose cursors stand at the same offset share windows. A task that fell behind reads its own
// up to where the next one stands; when it is near, the others wait for it, and they share again.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/offset.h"
#include "tasks/window_reader.h"

namespace weir::tasks {

struct Lane {
  Offset cursor;
  Offset limit;               // where the next lane stands, or what may be read
  std::vector<size_t> tasks;  // indices
};

struct Runnable {
  size_t task;
  Offset cursor;
};

// Lanes by cursor, ascending. `end`: what may be read.
std::vector<Lane> MakeLanes(std::span<const Runnable> tasks, Offset end);

// In which order the lanes' windows are looked at: a turn for each, but a lane right above another
// one (less than `near` records) is left out until that has caught up.
std::vector<size_t> Order(std::span<const Lane> lanes, uint64_t turn, uint64_t near);

// How many records a window holds, so that applying one takes about `target_ns`.
class WindowSize {
 public:
  WindowSize(size_t records_max, int64_t target_ns)
      : records_max_(records_max), target_ns_(target_ns), records_(records_max / 2 + 1) {}
  void Applied(size_t records, int64_t took_ns);
  size_t records() const { return records_; }

 private:
  size_t records_max_;
  int64_t target_ns_;
  size_t records_;
};

}  // namespace weir::tasks

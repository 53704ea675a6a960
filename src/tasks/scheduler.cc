#include "tasks/scheduler.h"

#include <algorithm>

namespace weir::tasks {
namespace {

// Below this a window says little about the cost of a record: the commit outweighs it.
constexpr size_t kTellingRecords = 64;

}  // namespace

std::vector<Lane> MakeLanes(std::span<const Runnable> tasks, Offset end) {
  std::vector<Lane> lanes;
  for (const Runnable& runnable : tasks) {
    const auto same = std::ranges::find(lanes, runnable.cursor, &Lane::cursor);
    if (same != lanes.end()) {
      same->tasks.push_back(runnable.task);
    } else {
      lanes.push_back({runnable.cursor, end, {runnable.task}});
    }
  }
  std::ranges::sort(lanes, {}, &Lane::cursor);
  for (size_t i = 0; i + 1 < lanes.size(); ++i) {
    lanes[i].limit = std::min(end, lanes[i + 1].cursor);
  }
  return lanes;
}

std::vector<size_t> Order(std::span<const Lane> lanes, uint64_t turn, uint64_t near) {
  std::vector<size_t> order;
  for (size_t i = 0; i < lanes.size(); ++i) {
    const size_t lane = (turn + i) % lanes.size();
    if (lane > 0 && lanes[lane].cursor - lanes[lane - 1].cursor <= near) continue;
    order.push_back(lane);
  }
  return order;
}

void WindowSize::Applied(size_t records, int64_t took_ns) {
  if (records < kTellingRecords) return;
  const double per_record =
      static_cast<double>(std::max<int64_t>(took_ns, 1)) / static_cast<double>(records);
  const double fits = static_cast<double>(target_ns_) / per_record;
  // Half of the way: one slow commit says little.
  const double next = (static_cast<double>(records_) + fits) / 2;
  records_ = std::clamp<size_t>(static_cast<size_t>(next), std::min(kTellingRecords, records_max_),
                                records_max_);
}

}  // namespace weir::tasks

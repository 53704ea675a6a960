#include "alerts/delivery_load.h"

#include <algorithm>

namespace weir::alerts {

using base::Result;
using base::Status;

namespace {

constexpr size_t kPage = 1000;

PendingDelivery ToPending(const OutboxRow& row, int64_t now_ns) {
  return {.report = row.report,
          .stage = row.stage,
          .urgent = row.urgent,
          .attempts = 0,
          .since_ns = now_ns,
          .due_ns = now_ns};
}

}  // namespace

OutboxLoader::OutboxLoader(std::vector<Destination> destinations, size_t waiting_max)
    : waiting_max_(waiting_max) {
  for (Destination& destination : destinations) {
    const std::string name = destination.name;
    targets_.emplace(name, Loaded{std::move(destination), {}});
  }
}

Result<bool> OutboxLoader::Load(store::Connection& reader, bool changed, int64_t now_ns) {
  more_ = more_ || changed;
  if (more_) WEIR_RETURN_IF_ERROR(LoadTail(reader, now_ns));
  for (auto& [name, target] : targets_) {
    for (const bool urgent : {true, false}) {
      if (target.lanes[urgent].complete || !HasRoom(target, urgent)) continue;
      WEIR_RETURN_IF_ERROR(LoadLane(reader, target, urgent, now_ns));
    }
  }
  return more_;
}

Status OutboxLoader::LoadTail(store::Connection& reader, int64_t now_ns) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<OutboxRow> rows, OutboxAfter(reader, tail_, kPage));
  for (const OutboxRow& row : rows) {
    tail_ = row.id;
    const auto found = targets_.find(row.target);
    if (found == targets_.end()) {
      ++unrouted_;
      unrouted_target_ = row.target;
      continue;
    }
    Loaded& target = found->second;
    Lane& lane = target.lanes[row.urgent];
    lane.complete = lane.complete && target.to.queue->waiting(row.urgent) < waiting_max_;
    if (!lane.complete) continue;  // LoadLane() gets it, in its order
    target.to.queue->Add(ToPending(row, now_ns));
    lane.loaded = row.id;
  }
  more_ = rows.size() == kPage;
  return {};
}

Status OutboxLoader::LoadLane(store::Connection& reader, Loaded& target, bool urgent,
                              int64_t now_ns) {
  Lane& lane = target.lanes[urgent];
  const size_t room = waiting_max_ - target.to.queue->waiting(urgent);
  const size_t limit = std::min(room, kPage);
  WEIR_ASSIGN_OR_RETURN(const std::vector<OutboxRow> rows,
                        OutboxOfTarget(reader, target.to.name, urgent, lane.loaded, limit));
  for (const OutboxRow& row : rows) {
    if (row.id > tail_) break;  // LoadTail() gets it
    target.to.queue->Add(ToPending(row, now_ns));
    lane.loaded = row.id;
  }
  lane.complete = rows.size() < limit || rows.back().id > tail_;
  return {};
}

// Not for a single place: that would be a query for each delivery.
bool OutboxLoader::HasRoom(const Loaded& target, bool urgent) const {
  return target.to.queue->waiting(urgent) <= waiting_max_ / 2;
}

}  // namespace weir::alerts

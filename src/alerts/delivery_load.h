// Brings deliveries from the outbox into the targets' queues: each row once, within their bounds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/outbox.h"
#include "alerts/target_queue.h"
#include "base/result.h"
#include "store/database.h"

namespace weir::alerts {

class OutboxLoader {
 public:
  struct Destination {
    std::string name;
    TargetQueue* queue;
  };
  OutboxLoader(std::vector<Destination> destinations, size_t waiting_max);

  // Loads what has been written since, and what there was no room for and is now. `changed`: there
  // may be new rows. True: there is more to load at once. After an error nothing was skipped.
  base::Result<bool> Load(store::Connection& reader, bool changed, int64_t now_ns);

  uint64_t unrouted() const { return unrouted_; }
  // The last target that is in the outbox and not among the destinations.
  const std::string& unrouted_target() const { return unrouted_target_; }

 private:
  // The urgent deliveries of one target, or the others.
  struct Lane {
    int64_t loaded = 0;    // the last row in the queue or past it
    bool complete = true;  // no row up to tail_ was left out
  };
  struct Loaded {
    Destination to;
    Lane lanes[2];  // [1]: urgent
  };
  base::Status LoadTail(store::Connection& reader, int64_t now_ns);
  base::Status LoadLane(store::Connection& reader, Loaded& target, bool urgent, int64_t now_ns);
  bool HasRoom(const Loaded& target, bool urgent) const;

  std::map<std::string, Loaded, std::less<>> targets_;
  const size_t waiting_max_;
  int64_t tail_ = 0;  // the last row that was looked at for all targets
  bool more_ = true;  // there may be rows after it
  uint64_t unrouted_ = 0;
  std::string unrouted_target_;
};

}  // namespace weir::alerts

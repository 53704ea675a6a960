// Reading the outbox: the deliveries whose outcome nobody knows yet. Inbox writes it.
//
// Threads and errors: as in queries.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "alerts/alert.h"
#include "base/result.h"
#include "store/database.h"

namespace weir::alerts {

struct OutboxRow {
  int64_t id = 0;  // grows with each row that is written
  Offset report;
  uint8_t stage = 0;
  bool urgent = false;
  std::string target;
};

// Rows with id > `after`, in order, at most `limit`.
base::Result<std::vector<OutboxRow>> OutboxAfter(store::Connection& reader, int64_t after,
                                                 size_t limit);
// The same of one target, urgent or not.
base::Result<std::vector<OutboxRow>> OutboxOfTarget(store::Connection& reader,
                                                    std::string_view target, bool urgent,
                                                    int64_t after, size_t limit);
// The alert, if this delivery is still in the outbox.
base::Result<std::optional<Alert>> AlertToDeliver(store::Connection& reader, Offset report,
                                                  uint8_t stage, std::string_view target);
base::Result<uint64_t> OutboxSize(store::Connection& reader);

}  // namespace weir::alerts

// Reading the inbox: for the API, the stream and the deliveries.
//
// Each function reads what is committed when it is called. Threads: any, each with its own
// connection. Errors: those of the connection; kNotFound where it says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "alerts/alert.h"
#include "base/result.h"
#include "store/database.h"

namespace weir::alerts {

inline constexpr size_t kPageMax = 1000;

struct AlertQuery {
  StudyScope scope;                           // what the caller may see
  std::string study_id, site_id, patient_id;  // empty: any
  std::optional<State> state;
  std::optional<Level> level;
  std::optional<Offset> before;  // the page's `next` of before
  size_t limit = 100;            // 1 to kPageMax
};

struct AlertPage {
  std::vector<Alert> alerts;   // newest report first
  std::optional<Offset> next;  // give it as `before` for the following page
};

base::Result<AlertPage> List(store::Connection& reader, const AlertQuery& query);

// kNotFound: no such alert, or one that `scope` does not show.
base::Result<Alert> Get(store::Connection& reader, const StudyScope& scope, Offset report);
base::Result<std::vector<Delivery>> Deliveries(store::Connection& reader, Offset report);

// A raise or a change of state. `alert` is as it was then.
struct Event {
  int64_t sequence = 0;
  Alert alert;
};

// Events with `after` < sequence <= `through`, in order, at most `limit`.
base::Result<std::vector<Event>> EventsAfter(store::Connection& reader, int64_t after,
                                             int64_t through, size_t limit);
// The newest event of each alert that nobody has acknowledged; range and order as above.
base::Result<std::vector<Event>> UnacknowledgedAfter(store::Connection& reader, int64_t after,
                                                     int64_t through, size_t limit);
// 0: there are no events.
base::Result<int64_t> LastSequence(store::Connection& reader);
base::Result<bool> HasEvent(store::Connection& reader, int64_t sequence);

}  // namespace weir::alerts

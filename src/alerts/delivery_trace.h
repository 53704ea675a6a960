// Where a delivery stands in the trace of its alert's report. What it must know of the trace is in
// the head of the report's record, so it is known after a restart as well.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "alerts/alert.h"
#include "alerts/target_queue.h"
#include "base/result.h"
#include "journal/journal.h"
#include "net/client/client.h"
#include "observe/span.h"

namespace weir::alerts {

// The trace of the alert's report, with the span that raised the alert as the parent, or, where
// this program makes no `spans`, the one that the report came in. Not sampled unless the report
// was, or if its record is no longer on this disk. Nothing: it had no trace.
std::optional<observe::TraceContext> TraceOf(const Alert& alert, const journal::Journal& journal,
                                             bool spans);

// An attempt, as it ended. `span` is what the target was told in its traceparent.
struct TracedAttempt {
  observe::TraceContext of;
  observe::SpanId span;
  int64_t start_ns = 0;
};
observe::Span ToSpan(const TracedAttempt& attempt, const PendingDelivery& delivery,
                     std::string_view target, const base::Result<net::ClientResponse>& answer,
                     int64_t end_ns);

}  // namespace weir::alerts

// A trace of calls, as `weir guard simulate` replays it.
//
// CSV under a heading that begins with `at_ms,service_ms,result`; after these may stand, in any
// order, the others. Calls stand in order of time.
// - at_ms: when the call comes.
// - service_ms: how long it takes if it goes out.
// - result: how it ends, ok or fail.
// - class: urgent, report, metric, read or export. Left out or empty: report.
// - count: so many such calls come at once. Left out or empty: one.
// - cpu: the CPU at that moment, in thousandths. Left out or empty: not known.
// - sync_ms: how long a sync of the disk takes from that moment on. Left out or empty: as before.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <vector>

#include "base/result.h"
#include "guard/criticality.h"

namespace weir::app {

struct TraceCall {
  int64_t at_ms = 0;
  int64_t service_ms = 0;
  bool fails = false;
  guard::Criticality of = guard::Criticality::kReport;
  std::optional<int32_t> cpu = {};      // in thousandths
  std::optional<int32_t> sync_ms = {};  // of the syncs that start from now on
};

// At most 10 million calls of at most a day; a line has at most 255 bytes. kInvalidArgument names
// the line, the column, and what may stand there; kIo: the stream cannot be read.
base::Result<std::vector<TraceCall>> ReadTrace(std::istream& in);

}  // namespace weir::app

// Finds the end of a journal that may have been interrupted, and repairs what an interruption
// leaves: docs/formats/journal.md has the table.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "journal/archive.h"
#include "journal/scan.h"
#include "journal/segment_set.h"

namespace weir::journal {

// What is known of the end of one segment; every combination has exactly one decision.
struct TailEvidence {
  bool newest = true;        // no later segment exists
  bool closed = false;       // the last whole frame is the footer
  bool full_size = true;     // the file has the size that was reserved
  Rest rest = Rest::kZeros;  // what follows the last whole frame
  bool reached = false;      // an index checkpoint or a task's cursor lies beyond the last frame
};

enum class TailDecision : uint8_t {
  kEnd,      // in order
  kTorn,     // an interrupted write, never acknowledged: cut off and kept aside
  kMissing,  // corruption: records that were durable are gone
  kDamaged,  // corruption: bytes that were durable are not what was written
};

TailDecision DecideTail(const TailEvidence& evidence);

// How far the journal is known to have been durable, and by whom.
struct Reach {
  Offset end;
  std::string by;  // "the key index"
};

struct RecoveredSegment {
  SegmentSet::Segment segment;
  SegmentHeader header;
};

struct Recovered {
  std::vector<RecoveredSegment> closed;  // in order
  std::optional<SegmentScan> newest;     // of the last segment, unless it is closed
  std::shared_ptr<io::File> newest_file;
  Offset begin;
  Offset end;
  Digest chain;
  bool sealed = false;
  uint64_t torn_bytes = 0;
  std::string torn_file;
};

// Recovers `directory`. With `repair` the end is first made durable and read back from the disk (a
// process that died may have left it in memory only, after a failed sync for ever), a torn end is
// cut off and kept aside, and leftovers are removed; without it nothing is changed. kCorruption
// names the file, the bytes and the offsets; with `repair` a copy of the damaged file is kept
// beside it.
base::Result<Recovered> Recover(io::FileSystem& files, const std::string& directory,
                                const std::vector<Reach>& reaches, bool repair);

// Calls `visit` for each whole frame of the segments that hold records at or above `from`.
base::Status VisitFrames(io::FileSystem& files, const std::string& directory,
                         const Recovered& recovered, Offset from, const FrameVisitor& visit);

}  // namespace weir::journal

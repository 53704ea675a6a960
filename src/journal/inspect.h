// What a journal's directory holds, for people: `weir journal list` and `weir journal dump`. Reads
// damaged journals too, as far as they can be read; changes nothing.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "journal/format.h"

namespace weir::journal {

struct SegmentSummary {
  std::string name;
  Offset first;
  Offset end;
  uint64_t file_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t batches = 0;
  int64_t created_ms = 0;
  int64_t last_written_ms = 0;  // of the last frame; 0 without one
  bool closed = false;          // it has its footer
  bool sealed = false;          // it ends in good order
  std::string damage;           // what is wrong where reading ended; empty if nothing
};
// In order of offset; every segment is read from its beginning to its end.
base::Result<std::vector<SegmentSummary>> ListSegments(io::FileSystem& files,
                                                       const std::string& directory);

// Whether there is a journal at all: a server makes its first segment at its first start.
base::Result<bool> HasSegments(io::FileSystem& files, const std::string& directory);

// Calls `visit` for the records at and above `from`, in order, until `count` were visited or it
// returns an error, which is passed on. Batches that cannot be read are left out, and `skipped` is
// told which offsets and why.
using RecordVisitor = std::function<base::Status(const RecordView& record)>;
using SkippedVisitor = std::function<void(Offset first, Offset end, const std::string& why)>;
base::Status DumpRecords(io::FileSystem& files, const std::string& directory, Offset from,
                         uint64_t count, const RecordVisitor& visit, const SkippedVisitor& skipped);

}  // namespace weir::journal

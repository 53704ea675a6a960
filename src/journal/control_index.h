// The control index: offset, kind and flags of the records flagged kControl, in order, so that
// urgent reports and commands are found without reading the million others between them.
//
// It is derived from the journal. The file only grows; its entries carry a checksum each. Sync()
// makes what was committed so far durable and notes it in a checkpoint; opening cuts off what the
// checkpoint does not cover, and the owner commits the journal's records from covered() on again.
// Files: docs/formats/index.md.
//
// Threads: Committed and room from the journal thread; Controls, Sync, covered and failing from
// any; Open, Discard and the destructor from the owner, while no other call runs.
//
// Memory: at most `recent_max` entries of 16 bytes, whatever the journal's size.
//
// Errors: entries that cannot be written stay in memory and are tried again at the next Committed()
// or Sync(); room() says how many more may be committed before some would have to be dropped, and
// the owner refuses records (kNoSpace) rather than exceed it. After a failed sync, or damage that
// Controls() found, no more checkpoints are made, and failing() says why: Sync() then does nothing
// and succeeds, covered() stays behind, and the next start commits from there again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "journal/journal.h"

namespace weir::journal {

struct ControlIndexOptions {
  std::string directory;       // its own or the key index's; made when missing, 0700
  size_t recent_max = 65'536;  // entries in memory: the newest ones, written or not; 1 MiB
};

class ControlIndex {
 public:
  static base::Result<std::unique_ptr<ControlIndex>> Open(io::FileSystem& files,
                                                          ControlIndexOptions options);
  // Writes nothing more: what no checkpoint covers is committed again next time.
  ~ControlIndex();

  // Everything below is in the checkpoint. After Open() the owner commits from here on; a file that
  // is missing or damaged gives 0. Where the journal begins later than this, entries are lost, and
  // where it ends before it, the checkpoint belongs to something else: the owner decides.
  Offset covered() const;
  base::Status Discard();  // covered() becomes 0; only before the first Committed()

  // Journal thread: everything below `end` is durable; `entries` are its control records that were
  // not committed before, in order of offset. Entries below what was committed before are ignored.
  // At most room() entries.
  void Committed(std::span<const ControlEntry> entries, Offset end);
  // Tries to write when there is none.
  size_t room();

  // Entries with offset >= from, at most `max`, in order. kCorruption: the file is damaged; the
  // next start rebuilds it.
  base::Result<std::vector<ControlEntry>> Controls(Offset from, size_t max) const;

  // Makes what was committed before the call durable, and the checkpoint after it. May block.
  base::Status Sync();
  std::optional<base::Error> failing() const;

 private:
  class Impl;
  explicit ControlIndex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// How far the checkpoint of that directory reaches: everything below was durable in the journal. 0
// where there is none, or a damaged one.
Offset CheckpointedEnd(io::FileSystem& files, const std::string& directory);

}  // namespace weir::journal

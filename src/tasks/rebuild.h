// Makes the store again from the journal: the same rows, and nothing is sent to anybody.
//
// All records are applied from offset 0 in order, into a store beside the present one, which then
// takes its place, whole or not at all; until then the present one is not touched. Where a task had
// a record in quarantine and the journal holds its replay, the record is left to that replay, so
// that what became visible when stays as it was. A task that was paused at the journal's end is
// applied to that end all the same, and is paused.
//
// The journal is open with its index (not read-only); nobody else may have it or the store open.
// Errors: kNotFound: the journal does not begin at offset 0 any more, and the message names the
// missing offsets; others as the journal and the store have them. After an error the present store
// is as it was.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"
#include "journal/journal.h"
#include "store/database.h"
#include "tasks/task.h"

namespace weir::tasks {

struct RebuildOptions {
  store::SqliteOptions store;  // the present one, whether it exists or not
  unsigned workers = 0;        // 0: one per core
  size_t window_records_max = 4000;
  // Called after each window; may be empty.
  std::function<void(Offset done, Offset end)> progress;
};

struct Rebuilt {
  uint64_t records = 0;
  uint64_t quarantined = 0;
};

base::Result<Rebuilt> Rebuild(const RebuildOptions& options, const journal::Journal& journal,
                              std::span<const store::Migration> migrations, Service& service);

}  // namespace weir::tasks

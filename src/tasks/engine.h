// Works the journal off: every task applies every record once, in order, from its own cursor.
//
// Workers read windows of records and compute what they mean, ahead of one committer, which writes
// the rows of all tasks whose cursors stand there, and those cursors, in one transaction. Before
// each window, and while windows are being prepared, the committer works off the express lane: the
// control records (docs/formats/records.md) and the urgent ones, in order, each once. Isolation of
// records that a task cannot digest, and what stalls instead, is said in task.h.
//
// A task whose cursor has fallen behind (paused, stalled) reads windows of its own until it has
// caught up, so it delays no other. What does not fit in memory stays in the journal.
//
// Threads: Open, Start, Stop from the owner; the getters from any. Workers and committer run at a
// lower priority than intake.
// Memory: at most `queue_records_max` records and about 3 × `queue_bytes_max` bytes of windows are
// held at once (a record's evaluation is about twice its size).
// Errors: an environment that fails (store full, locked, away; journal unreadable) stalls what it
// concerns, is shown by status(), and is tried again for ever with backoff.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "journal/journal.h"
#include "observe/span.h"
#include "store/database.h"
#include "tasks/task.h"

namespace weir::tasks {

struct EngineOptions {
  size_t workers = 0;                 // 0: one per core
  size_t queue_records_max = 20'000;  // read ahead of the committer, all tasks together
  size_t queue_bytes_max = 16u << 20;
  size_t window_records_max = 2000;
  int window_target_ms = 30;  // windows' rows take about this long, commits aside
  int linger_ms = 20;         // how long a small window may wait to become larger
  int express_gap_ms = 5;     // between looks at the control index while records arrive
  int retry_first_ms = 50;    // then doubled
  int retry_max_ms = 5000;
  int nice = 10;
  bool paused = false;  // no task runs, whatever the journal says of them
};

enum class TaskState : uint8_t { kRunning, kPaused, kStalled };
// "running", "paused", "stalled".
const char* Name(TaskState state);

struct TaskStatus {
  std::string name;
  TaskState state = TaskState::kRunning;
  Offset cursor;             // everything below is applied or quarantined
  uint64_t lag = 0;          // durable records at or above the cursor
  uint64_t quarantined = 0;  // records in quarantine now
  uint64_t retries = 0;      // since it last went well; 0 unless stalled
  std::string reason;        // why it is stalled
  uint64_t apply_ns = 0;     // spent in its rows, since the start
};

struct EngineStats {
  uint64_t windows = 0;  // committed
  uint64_t records = 0;  // in them
  uint64_t express_commits = 0;
  uint64_t express_records = 0;
  uint64_t commit_failures = 0;
  uint64_t apply_ns = 0;        // from begin to commit, windows
  uint64_t commit_ns = 0;       // commits alone, the express lane's too
  uint64_t queued_records = 0;  // read and not yet applied
  uint64_t queued_bytes = 0;
};

// Numbered 1–99: cursors, quarantine, definitions.
std::span<const store::Migration> Migrations();

// The furthest cursor that the store holds: a journal that ends before it has lost records. Zero
// for a new store. The store must be migrated.
base::Result<Offset> FurthestCursor(store::Database& database);

class Engine {
 public:
  // Everything given must outlive the engine; the store must be migrated. `spans`: where those of
  // traced records go; null: nowhere. kCorruption: a cursor
  // stands beyond the journal's end. kNotFound: a cursor stands before what the journal still has.
  static base::Result<std::unique_ptr<Engine>> Open(EngineOptions options,
                                                    const journal::Journal& journal,
                                                    store::Database& database, Service& service,
                                                    const base::Clock& clock,
                                                    observe::SpanQueue* spans = nullptr);
  virtual ~Engine() = default;  // stops

  virtual base::Status Start() = 0;
  // Finishes the transaction in progress and ends the threads; the rest waits in the journal.
  virtual void Stop() = 0;

  virtual std::vector<TaskStatus> status() const = 0;
  virtual EngineStats stats() const = 0;
  // Waits until every task's cursor is at least `end` and all control records below it are applied.
  // False: not within timeout_ms.
  virtual bool WaitApplied(Offset end, int timeout_ms) const = 0;
};

}  // namespace weir::tasks

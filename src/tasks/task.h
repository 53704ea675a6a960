// What a service gives to the engine: pure work on windows of records, and tasks that write rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/offset.h"
#include "base/result.h"
#include "journal/journal.h"
#include "observe/trace.h"
#include "store/database.h"
#include "tasks/instruments.h"

namespace weir::tasks {

using base::Offset;

// What pure work found out about a window's records; each service has its own.
class Computed {
 public:
  virtual ~Computed() = default;

  // The records of sampled traces, in order: index in the block, and the span that each came in.
  struct Traced {
    size_t index;
    observe::TraceContext of;
  };
  std::vector<Traced> traced;
};

// Records [begin, end) and what was computed of them, shared by all tasks that apply them.
struct Window {
  Offset begin, end;
  journal::Block block;
  std::unique_ptr<Computed> computed;
};

// Under which circumstances a record is applied.
struct Turn {
  // From which offset on the record's effects are to be seen: its own, or that of the record that
  // replays it out of quarantine.
  Offset visible_at;
  bool replayed = false;
  // The express lane has dealt with it: what a single record calls for is done already.
  bool handled_ahead = false;
};

// One named consumer of the journal.
//
// Threads: the committer's alone. Apply() and Flush() run inside a transaction on the connection of
// Open(), within a savepoint of the task's own; Discard() follows when that was rolled back.
// Errors: kInvalidArgument is the record's own: it is isolated and goes to the task's quarantine,
// so the message must not hold a patient's data. Anything else is the environment's: the task
// stalls, quarantines nothing, and is tried again for ever.
class Task {
 public:
  virtual ~Task() = default;
  // "cleanse", …: unique, never renamed, since cursors are kept under it.
  virtual std::string_view name() const = 0;
  // Whether Apply() wants records of this kind; the others are passed over.
  virtual bool Takes(uint16_t kind) const = 0;
  // Prepares statements. Before any other call, and again whenever the connection is a new one.
  virtual base::Status Open(store::Connection& connection) = 0;
  // Applies window.block.records[index].
  virtual base::Status Apply(const Window& window, size_t index, const Turn& turn) = 0;
  // Writes what Apply() has only gathered.
  virtual base::Status Flush() { return {}; }
  // The savepoint was rolled back: forgets what was gathered or written since the last flush that
  // went well.
  virtual void Discard() {}
  // The transaction was rolled back: forgets all that was believed written in it.
  virtual void RolledBack() { Discard(); }

  // Does a little of the work that was put off for when nothing else is to be done, in a
  // transaction of its own. False: there is none.
  virtual base::Result<bool> Settle() { return false; }
  virtual bool settled() const { return true; }

  // Whether the express lane brings urgent records before their turn.
  virtual bool has_express() const { return false; }
  // Does at once what the record by itself calls for. Its turn still comes, with handled_ahead.
  virtual base::Status ApplyAhead(const Window& window, size_t index) {
    (void)window, (void)index;
    return {};
  }
};

class Service {
 public:
  virtual ~Service() = default;
  // Pure: a function of the records and of the instruments journalled before each of them, or
  // before `as_of` where one is given (a replay). Workers' threads, several at once. What is wrong
  // with a record is remembered for Apply() to return; nothing fails here but reading the journal.
  virtual base::Result<std::unique_ptr<Computed>> Compute(const journal::Block& block,
                                                          const Instruments& instruments,
                                                          std::optional<Offset> as_of) const = 0;

  // The tasks, in the order in which each window is applied; they live as long as the service.
  virtual std::span<Task* const> tasks() = 0;
  // Prepares statements for ApplyControl(). Committer's thread, like all that follows.
  virtual base::Status OpenControls(store::Connection& connection) = 0;
  // A control record of a kind that is not the engine's own: applied once, in order.
  virtual base::Status ApplyControl(const journal::RecordView& record) = 0;
  // After the commit of whatever was applied since the last of these two, and after a rollback
  // (of the transaction, or of a task's savepoint).
  virtual void Committed() {}
  virtual void RolledBack() {}
};

}  // namespace weir::tasks

#include "tasks/rebuild.h"

#include <thread>

#include "tasks/applier.h"
#include "tasks/window_reader.h"
#include "wire/envelope.h"
#include "wire/kinds.h"

namespace weir::tasks {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;
using wire::Kind;

constexpr size_t kEntriesMax = 4096;
// A window is ready long before; the wait only bounds how long a stop may go unnoticed.
constexpr int kWaitMs = 1000;

// What the control records say that must be known before the first window.
struct Foreknown {
  Instruments instruments;
  WaitingReplays waiting;
};

Status Learn(const journal::Journal& journal, const journal::ControlEntry& entry,
             Foreknown* known) {
  const auto kind = static_cast<Kind>(entry.kind);
  if (kind != Kind::kDefinition && kind != Kind::kReplay) return {};
  WEIR_ASSIGN_OR_RETURN(const journal::Record record, journal.ReadOne(entry.offset));
  if (kind == Kind::kDefinition) {
    // One that does not compile is quarantined in its turn, as it was the first time.
    (void)known->instruments.Add(record.body, record.offset);
  } else if (const auto head = wire::DecodeReplay(record.head); head) {
    known->waiting.insert({std::string(head->task), head->record, std::nullopt});
  }
  return {};
}

Status Foreknow(const journal::Journal& journal, Offset end, Foreknown* known) {
  Offset from;
  for (;;) {
    WEIR_ASSIGN_OR_RETURN(const auto entries, journal.Controls(from, kEntriesMax));
    for (const journal::ControlEntry& entry : entries) {
      if (entry.offset >= end) return {};
      WEIR_RETURN_IF_ERROR(Learn(journal, entry, known));
      from = entry.offset + 1;
    }
    if (entries.size() < kEntriesMax) return {};
  }
}

Status ApplyAll(const RebuildOptions& options, const journal::Journal& journal, Offset end,
                const Service& service, const Instruments& instruments, Applier* applier) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  WindowReader reader({.threads = options.workers == 0 ? cores : options.workers,
                       .window_records_max = options.window_records_max},
                      journal, service, instruments);
  Offset cursor;
  while (cursor < end) {
    reader.SetLanes(std::array{WindowReader::LaneGoal{cursor, end}});
    WEIR_ASSIGN_OR_RETURN(const Window* window, reader.Front(cursor));
    if (window == nullptr) {
      reader.WaitReady(kWaitMs);
      continue;
    }
    WEIR_RETURN_IF_ERROR(applier->ApplyInOrder(*window));
    const Offset done = window->end;
    reader.Pop(cursor);
    cursor = done;
    if (options.progress) options.progress(done, end);
  }
  while (!applier->settled()) WEIR_RETURN_IF_ERROR(applier->Settle());
  return {};
}

Result<Rebuilt> Fill(const RebuildOptions& options, const journal::Journal& journal,
                     std::span<const store::Migration> migrations, Service& service,
                     const store::SqliteOptions& fresh) {
  WEIR_ASSIGN_OR_RETURN(const auto database, store::OpenSqlite(fresh));
  WEIR_RETURN_IF_ERROR(database->Migrate(migrations));
  const Offset end = journal.durable_end();
  Foreknown known;
  WEIR_RETURN_IF_ERROR(Foreknow(journal, end, &known));
  WEIR_ASSIGN_OR_RETURN(const auto applier,
                        Applier::Open(journal, *database, service, known.instruments,
                                      base::SystemClock(), std::move(known.waiting)));
  WEIR_RETURN_IF_ERROR(ApplyAll(options, journal, end, service, known.instruments, applier.get()));
  Rebuilt rebuilt{.records = end.value(), .quarantined = applier->control().quarantined};
  for (size_t i = 0; i < applier->task_count(); ++i) {
    rebuilt.quarantined += applier->progress(i).quarantined;
  }
  return rebuilt;
}

}  // namespace

Result<Rebuilt> Rebuild(const RebuildOptions& options, const journal::Journal& journal,
                        std::span<const store::Migration> migrations, Service& service) {
  if (journal.begin() > Offset(0)) {
    return Fail(ErrorCode::kNotFound,
                "the journal lacks offsets 0 to " + std::to_string(journal.begin().value() - 1) +
                    ", which were archived: put their segments back to rebuild the store");
  }
  store::SqliteOptions fresh = options.store;
  fresh.path += ".rebuild";
  store::RemoveSqlite(fresh.path);  // of a rebuild that did not end
  auto rebuilt = Fill(options, journal, migrations, service, fresh);
  if (!rebuilt) {
    store::RemoveSqlite(fresh.path);
    return rebuilt;
  }
  WEIR_RETURN_IF_ERROR(store::ReplaceSqlite(fresh.path, options.store.path));
  return rebuilt;
}

}  // namespace weir::tasks

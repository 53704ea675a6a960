#include "tasks/ledger.h"

#include "tasks/engine.h"

namespace weir::tasks {
namespace {

using base::Result;
using base::Status;
using store::Statement;

constexpr std::string_view kLedger = R"sql(
CREATE TABLE task(
  name TEXT PRIMARY KEY,
  cursor INTEGER NOT NULL,       -- everything below is applied or quarantined
  ahead INTEGER NOT NULL,        -- urgent records below are dealt with by the express lane
  paused INTEGER NOT NULL,
  quarantined INTEGER NOT NULL   -- rows in quarantine
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine(
  task TEXT NOT NULL,
  record_offset INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,      -- when the record was received
  reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,     -- replays that failed
  head BLOB NOT NULL,
  body BLOB NOT NULL,
  UNIQUE(task, record_offset)
) STRICT;

-- Replays that came before the task had reached the record.
CREATE TABLE replay_waiting(
  task TEXT NOT NULL,
  record_offset INTEGER NOT NULL,
  replay_offset INTEGER NOT NULL,
  PRIMARY KEY(task, record_offset, replay_offset)
) STRICT, WITHOUT ROWID;

CREATE TABLE definition(
  record_offset INTEGER PRIMARY KEY,
  packed BLOB NOT NULL           -- clinical::Definition::Unpack() reads it
) STRICT;
)sql";

constexpr store::Migration kMigrations[] = {{1, "tasks' ledger", kLedger}};

int64_t Number(Offset offset) { return static_cast<int64_t>(offset.value()); }
Offset ToOffset(int64_t number) { return Offset(static_cast<uint64_t>(number)); }

}  // namespace

std::span<const store::Migration> Migrations() { return kMigrations; }

Result<Offset> FurthestCursor(store::Database& database) {
  WEIR_ASSIGN_OR_RETURN(const auto connection, database.OpenReader());
  WEIR_ASSIGN_OR_RETURN(
      Statement * furthest,
      connection->Prepare("SELECT coalesce(max(max(cursor, ahead)), 0) FROM task"));
  WEIR_ASSIGN_OR_RETURN(const bool row, furthest->Step());
  const Offset offset = row ? ToOffset(furthest->Int(0)) : Offset(0);
  furthest->Reset();
  return offset;
}

Result<Ledger> Ledger::Open(store::Connection& connection) {
  Ledger ledger;
  ledger.connection_ = &connection;
  const auto prepare = [&](Statement*& slot, std::string_view sql) -> Status {
    WEIR_ASSIGN_OR_RETURN(slot, connection.Prepare(sql));
    return {};
  };
  WEIR_RETURN_IF_ERROR(
      prepare(ledger.load_, "SELECT cursor, ahead, paused, quarantined FROM task WHERE name = ?"));
  WEIR_RETURN_IF_ERROR(
      prepare(ledger.save_,
              "INSERT INTO task(name, cursor, ahead, paused, quarantined) VALUES(?, ?, ?, ?, ?)"
              " ON CONFLICT(name) DO UPDATE SET cursor = excluded.cursor, ahead = excluded.ahead,"
              " paused = excluded.paused, quarantined = excluded.quarantined"));
  WEIR_RETURN_IF_ERROR(
      prepare(ledger.quarantine_,
              "INSERT INTO quarantine(task, record_offset, kind, flags, time_ms, reason, attempts,"
              " head, body) VALUES(?, ?, ?, ?, ?, ?, 0, ?, ?) ON CONFLICT DO NOTHING"));
  WEIR_RETURN_IF_ERROR(prepare(ledger.quarantined_,
                               "SELECT kind, flags, time_ms, head, body FROM quarantine"
                               " WHERE task = ? AND record_offset = ?"));
  WEIR_RETURN_IF_ERROR(
      prepare(ledger.release_, "DELETE FROM quarantine WHERE task = ? AND record_offset = ?"));
  WEIR_RETURN_IF_ERROR(prepare(ledger.note_attempt_,
                               "UPDATE quarantine SET reason = ?, attempts = attempts + 1"
                               " WHERE task = ? AND record_offset = ?"));
  WEIR_RETURN_IF_ERROR(prepare(ledger.add_replay_,
                               "INSERT INTO replay_waiting(task, record_offset, replay_offset)"
                               " VALUES(?, ?, ?) ON CONFLICT DO NOTHING"));
  WEIR_RETURN_IF_ERROR(prepare(ledger.remove_replay_,
                               "DELETE FROM replay_waiting WHERE task = ? AND record_offset = ?"
                               " AND replay_offset = ?"));
  WEIR_RETURN_IF_ERROR(
      prepare(ledger.replays_, "SELECT task, record_offset, replay_offset FROM replay_waiting"));
  WEIR_RETURN_IF_ERROR(
      prepare(ledger.add_definition_,
              "INSERT INTO definition(record_offset, packed) VALUES(?, ?) ON CONFLICT DO NOTHING"));
  WEIR_RETURN_IF_ERROR(prepare(ledger.definitions_,
                               "SELECT record_offset, packed FROM definition"
                               " ORDER BY record_offset"));
  return ledger;
}

Result<std::optional<Progress>> Ledger::Load(std::string_view task) {
  load_->BindText(1, task);
  WEIR_ASSIGN_OR_RETURN(const bool row, load_->Step());
  std::optional<Progress> progress;
  if (row) {
    progress = Progress{ToOffset(load_->Int(0)), ToOffset(load_->Int(1)), load_->Int(2) != 0,
                        static_cast<uint64_t>(load_->Int(3))};
  }
  load_->Reset();
  return progress;
}

Status Ledger::Save(std::string_view task, const Progress& progress) {
  save_->BindText(1, task)
      .Bind(2, Number(progress.cursor))
      .Bind(3, Number(progress.ahead))
      .Bind(4, int64_t{progress.paused})
      .Bind(5, static_cast<int64_t>(progress.quarantined));
  return save_->Run();
}

Result<bool> Ledger::Quarantine(std::string_view task, const journal::RecordView& record,
                                std::string_view reason) {
  quarantine_->BindText(1, task)
      .Bind(2, Number(record.offset))
      .Bind(3, int64_t{record.kind})
      .Bind(4, int64_t{record.flags})
      .Bind(5, record.time_ms)
      .BindText(6, reason)
      .BindBlob(7, record.head)
      .BindBlob(8, record.body);
  WEIR_RETURN_IF_ERROR(quarantine_->Run());
  return connection_->Changes() == 1;
}

Result<std::optional<journal::Record>> Ledger::Quarantined(std::string_view task, Offset record) {
  quarantined_->BindText(1, task).Bind(2, Number(record));
  WEIR_ASSIGN_OR_RETURN(const bool row, quarantined_->Step());
  std::optional<journal::Record> copy;
  if (row) {
    copy.emplace();
    copy->offset = record;
    copy->kind = static_cast<uint16_t>(quarantined_->Int(0));
    copy->flags = static_cast<uint8_t>(quarantined_->Int(1));
    copy->time_ms = quarantined_->Int(2);
    copy->head = quarantined_->Text(3);
    copy->body = quarantined_->Text(4);
    copy->sha256 = base::Sha256(copy->body);
  }
  quarantined_->Reset();
  return copy;
}

Status Ledger::Release(std::string_view task, Offset record) {
  release_->BindText(1, task).Bind(2, Number(record));
  return release_->Run();
}

Status Ledger::NoteAttempt(std::string_view task, Offset record, std::string_view reason) {
  note_attempt_->BindText(1, reason).BindText(2, task).Bind(3, Number(record));
  return note_attempt_->Run();
}

Status Ledger::AddReplay(std::string_view task, Offset record, Offset replay) {
  add_replay_->BindText(1, task).Bind(2, Number(record)).Bind(3, Number(replay));
  return add_replay_->Run();
}

Status Ledger::RemoveReplay(std::string_view task, Offset record, Offset replay) {
  remove_replay_->BindText(1, task).Bind(2, Number(record)).Bind(3, Number(replay));
  return remove_replay_->Run();
}

Result<WaitingReplays> Ledger::LoadReplays() {
  WaitingReplays replays;
  auto row = replays_->Step();
  for (; row && *row; row = replays_->Step()) {
    replays.insert(
        {std::string(replays_->Text(0)), ToOffset(replays_->Int(1)), ToOffset(replays_->Int(2))});
  }
  replays_->Reset();
  if (!row) return base::Fail(std::move(row).error());
  return replays;
}

Status Ledger::AddDefinition(std::string_view packed, Offset offset) {
  add_definition_->Bind(1, Number(offset)).BindBlob(2, packed);
  return add_definition_->Run();
}

Status Ledger::ForEachDefinition(
    const std::function<Status(std::string_view packed, Offset offset)>& visit) {
  Status status;
  while (status) {
    auto row = definitions_->Step();
    if (!row) {
      status = base::Fail(std::move(row).error());
      break;
    }
    if (!*row) break;
    status = visit(definitions_->Text(1), ToOffset(definitions_->Int(0)));
  }
  definitions_->Reset();
  return status;
}

}  // namespace weir::tasks

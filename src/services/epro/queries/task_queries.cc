#include <algorithm>
#include <map>

#include "journal/record.h"
#include "services/epro/effects.h"
#include "services/epro/queries.h"
#include "services/epro/queries/rows.h"

namespace weir::epro {

using base::ErrorCode;
using base::Fail;
using base::Result;
using store::Statement;

namespace {

QuarantineEntry EntryAt(const Cursor& cursor) {
  const Statement& row = cursor.row();
  return {.task = cursor.Text(0),
          .record = ToOffset(row.Int(1)),
          .kind = static_cast<uint16_t>(row.Int(2)),
          .received_ms = row.Int(3),
          .reason = cursor.Text(4),
          .attempts = static_cast<uint64_t>(row.Int(5))};
}

}  // namespace

const char* Name(TaskMark mark) {
  switch (mark) {
    case TaskMark::kPending:
      return "pending";
    case TaskMark::kApplied:
      return "applied";
    case TaskMark::kQuarantined:
      return "quarantined";
  }
  return "unknown";
}

Result<std::vector<MarkedTask>> TaskMarks(store::Connection& connection, Offset record,
                                          uint8_t flags) {
  WEIR_ASSIGN_OR_RETURN(
      Statement * select,
      connection.Prepare("SELECT name, cursor, ahead, EXISTS(SELECT 1 FROM quarantine q WHERE"
                         " q.task = name AND q.record_offset = ?1) FROM task"));
  select->Bind(1, Clamped(record));
  const bool urgent = (flags & journal::kUrgent) != 0;
  std::map<std::string, TaskMark, std::less<>> marks;
  Cursor cursor(*select);
  for (;;) {
    WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
    if (!row) break;
    const bool ahead = urgent && record < ToOffset(select->Int(2));
    marks[cursor.Text(0)] = select->Int(3) != 0                          ? TaskMark::kQuarantined
                            : record < ToOffset(select->Int(1)) || ahead ? TaskMark::kApplied
                                                                         : TaskMark::kPending;
  }
  std::vector<MarkedTask> marked;
  for (const std::string_view task : kTaskNames) {
    const auto found = marks.find(task);
    marked.push_back({task, found == marks.end() ? TaskMark::kPending : found->second});
  }
  return marked;
}

Result<std::vector<QuarantineEntry>> ListQuarantine(store::Connection& connection,
                                                    std::string_view task, Offset from,
                                                    size_t limit) {
  WEIR_ASSIGN_OR_RETURN(
      Statement * select,
      connection.Prepare("SELECT task, record_offset, kind, time_ms, reason, attempts"
                         " FROM quarantine WHERE (?1 = '' OR task = ?1) AND record_offset >= ?2"
                         " ORDER BY record_offset, task LIMIT ?3"));
  select->BindText(1, task).Bind(2, Clamped(from));
  select->Bind(3, static_cast<int64_t>(std::min(limit, kPageMax)));
  std::vector<QuarantineEntry> entries;
  Cursor cursor(*select);
  for (;;) {
    WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
    if (!row) return entries;
    entries.push_back(EntryAt(cursor));
  }
}

Result<QuarantinedRecord> ReadQuarantined(store::Connection& connection, std::string_view task,
                                          Offset record) {
  WEIR_ASSIGN_OR_RETURN(
      Statement * select,
      connection.Prepare("SELECT task, record_offset, kind, time_ms, reason, attempts, head, body"
                         " FROM quarantine WHERE task = ? AND record_offset = ?"));
  select->BindText(1, task).Bind(2, Clamped(record));
  Cursor cursor(*select);
  WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
  if (!row) return Fail(ErrorCode::kNotFound, "the record is not in this task's quarantine");
  return QuarantinedRecord{EntryAt(cursor), cursor.Text(6), cursor.Text(7)};
}

}  // namespace weir::epro

#include "alerts/outbox.h"

#include "alerts/queries.h"

namespace weir::alerts {

using base::Result;
using store::Connection;
using store::Statement;

namespace {

constexpr std::string_view kSelectAll =
    "SELECT id, report_offset, stage, urgent, target FROM alert_outbox WHERE id > ?"
    " ORDER BY id LIMIT ?";
constexpr std::string_view kSelectOfTarget =
    "SELECT id, report_offset, stage, urgent, target FROM alert_outbox WHERE id > ?"
    " AND target = ? AND urgent = ? ORDER BY id LIMIT ?";
constexpr std::string_view kExists =
    "SELECT 1 FROM alert_outbox WHERE report_offset = ? AND stage = ? AND target = ?";

Result<std::vector<OutboxRow>> ReadRows(Statement& select) {
  std::vector<OutboxRow> rows;
  Result<bool> row = false;
  while ((row = select.Step()) && *row) {
    rows.push_back({.id = select.Int(0),
                    .report = Offset(static_cast<uint64_t>(select.Int(1))),
                    .stage = static_cast<uint8_t>(select.Int(2)),
                    .urgent = select.Int(3) != 0,
                    .target = std::string(select.Text(4))});
  }
  select.Reset();
  if (!row) return base::Fail(row.error());
  return rows;
}

}  // namespace

Result<std::vector<OutboxRow>> OutboxAfter(Connection& reader, int64_t after, size_t limit) {
  WEIR_ASSIGN_OR_RETURN(Statement * select, reader.Prepare(kSelectAll));
  select->Bind(1, after).Bind(2, static_cast<int64_t>(limit));
  return ReadRows(*select);
}

Result<std::vector<OutboxRow>> OutboxOfTarget(Connection& reader, std::string_view target,
                                              bool urgent, int64_t after, size_t limit) {
  WEIR_ASSIGN_OR_RETURN(Statement * select, reader.Prepare(kSelectOfTarget));
  select->Bind(1, after).BindText(2, target).Bind(3, int64_t{urgent});
  select->Bind(4, static_cast<int64_t>(limit));
  return ReadRows(*select);
}

Result<std::optional<Alert>> AlertToDeliver(Connection& reader, Offset report, uint8_t stage,
                                            std::string_view target) {
  WEIR_ASSIGN_OR_RETURN(Statement * select, reader.Prepare(kExists));
  select->Bind(1, static_cast<int64_t>(report.value())).Bind(2, int64_t{stage});
  const Result<bool> row = select->BindText(3, target).Step();
  select->Reset();
  if (!row) return base::Fail(row.error());
  if (!*row) return std::optional<Alert>();
  WEIR_ASSIGN_OR_RETURN(Alert alert, Get(reader, StudyScope::All(), report));
  return std::optional<Alert>(std::move(alert));
}

Result<uint64_t> OutboxSize(Connection& reader) {
  WEIR_ASSIGN_OR_RETURN(Statement * select, reader.Prepare("SELECT count(*) FROM alert_outbox"));
  const Result<bool> row = select->Step();
  const uint64_t size = row && *row ? static_cast<uint64_t>(select->Int(0)) : 0;
  select->Reset();
  if (!row) return base::Fail(row.error());
  return size;
}

}  // namespace weir::alerts

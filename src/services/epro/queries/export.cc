#include "services/epro/export.h"

#include <algorithm>

#include "base/json_writer.h"
#include "services/epro/queries/rows.h"

namespace weir::epro {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Offset;
using base::Result;
using base::Status;
using store::Connection;
using store::Statement;

struct TableSql {
  std::string_view name;
  std::string_view header;
  const char* columns;  // of the view, in the header's order
  const char* from;
};

// ?1 study, ?2 first offset, ?3 offset after the last one, ?4 the cut. A view is joined in another
// order than the offsets' unless the order is asked for, and the item's number is its key.
constexpr TableSql kTables[] = {
    {"reports",
     "offset,visible_at,site_id,pseudonym,instrument,definition,rules_version,received_at,"
     "authored_at\r\n",
     "record_offset, visible_at, site_id, pseudonym, instrument, definition, rules_version,"
     " received_at, authored_at",
     "research_report"},
    {"items",
     "offset,visible_at,pseudonym,instrument,n,item,original,code,number,text,score,rules,"
     "withheld\r\n",
     "record_offset, visible_at, pseudonym, instrument, n, item, original, code, number, text,"
     " score, rules, withheld",
     "research_item"},
    {"scores", "offset,visible_at,pseudonym,instrument,total,band,level,unscored_reason\r\n",
     "record_offset, visible_at, pseudonym, instrument, total, band, level, unscored_reason",
     "research_score"},
};

const TableSql& SqlOf(ExportTable table) { return kTables[static_cast<int>(table)]; }

int ColumnCount(const TableSql& table) {
  return static_cast<int>(std::ranges::count(table.header, ',')) + 1;
}

// Columns that hold numbers with a fraction: written in their shortest form, not as the database
// would print them.
bool IsReal(std::string_view header, int column) {
  for (; column > 0; --column) header.remove_prefix(header.find(',') + 1);
  return header.starts_with("number") || header.starts_with("score") || header.starts_with("total");
}

void AppendField(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void AppendRow(std::string& out, const TableSql& table, const Statement& row) {
  const int columns = ColumnCount(table);
  for (int i = 0; i < columns; ++i) {
    if (i > 0) out += ',';
    if (row.IsNull(i)) continue;
    if (IsReal(table.header, i)) {
      base::JsonWriter(out).Number(row.Real(i));
    } else {
      AppendField(out, row.Text(i));
    }
  }
  out += "\r\n";
}

// Everything below is applied by `research`, replays included.
Result<Offset> AppliedEnd(Connection& connection) {
  WEIR_ASSIGN_OR_RETURN(Statement * select,
                        connection.Prepare("SELECT coalesce(min(cursor), 0), count(*) FROM task"
                                           " WHERE name IN ('research', 'control')"));
  Cursor cursor(*select);
  WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
  return row && select->Int(1) == 2 ? ToOffset(select->Int(0)) : Offset(0);
}

}  // namespace

std::optional<ExportTable> ParseExportTable(std::string_view name) {
  for (const ExportTable table :
       {ExportTable::kReports, ExportTable::kItems, ExportTable::kScores}) {
    if (SqlOf(table).name == name) return table;
  }
  return std::nullopt;
}

Result<Export> Export::Open(Connection& connection, std::string study_id, ExportTable table,
                            std::optional<Offset> at) {
  WEIR_ASSIGN_OR_RETURN(const Offset applied, AppliedEnd(connection));
  if (at && *at > applied) {
    return Fail(ErrorCode::kUnavailable, "records up to offset " + std::to_string(applied.value()) +
                                             " are applied so far; ask again later");
  }
  return Export(std::move(study_id), table, at.value_or(applied));
}

Result<bool> Export::Next(Connection& connection, size_t reports_max, std::string* out) {
  const TableSql& table = SqlOf(table_);
  if (!begun_) *out += table.header;
  begun_ = true;
  if (next_ >= at_) return false;

  const Offset last = std::min(at_, next_ + std::max<size_t>(reports_max, 1));
  const std::string sql = std::string("SELECT ") + table.columns + " FROM " + table.from +
                          " WHERE study_id = ?1 AND record_offset >= ?2 AND record_offset < ?3" +
                          " AND visible_at < ?4 ORDER BY record_offset" +
                          (table_ == ExportTable::kItems ? ", n" : "");
  WEIR_ASSIGN_OR_RETURN(Statement * select, connection.Prepare(sql));
  select->BindText(1, study_id_)
      .Bind(2, Clamped(next_))
      .Bind(3, Clamped(last))
      .Bind(4, Clamped(at_));
  Cursor cursor(*select);
  for (;;) {
    WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
    if (!row) break;
    AppendRow(*out, table, *select);
  }
  next_ = last;
  return next_ < at_;
}

}  // namespace weir::epro

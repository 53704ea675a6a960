#include "alerts/queries.h"

#include <algorithm>
#include <functional>

namespace weir::alerts {

using base::Result;
using base::Status;
using store::Connection;
using store::Statement;

namespace {

#define WEIR_ALERT_COLUMNS                                                          \
  "a.report_offset, a.study_id, a.site_id, a.patient_id, a.report_id, a.doctor_id," \
  " a.trace_id, a.level, a.reason, a.created_ms, a.from_conflict, a.state,"         \
  " a.acknowledged_by, a.acknowledged_ms, a.note, a.escalated_ms"
constexpr int kAlertColumns = 16;

constexpr std::string_view kSelectOne =
    "SELECT " WEIR_ALERT_COLUMNS " FROM alerts AS a WHERE a.report_offset = ?";
constexpr std::string_view kSelectDeliveries =
    "SELECT stage, target, delivered, attempts, status, detail, at_ms FROM alert_deliveries"
    " WHERE report_offset = ? ORDER BY stage, target";
constexpr std::string_view kSelectEvents = "SELECT " WEIR_ALERT_COLUMNS
                                           ", e.seq, e.state FROM alert_events AS e"
                                           " JOIN alerts AS a ON a.report_offset = e.report_offset"
                                           " WHERE e.seq > ? AND e.seq <= ? ORDER BY e.seq LIMIT ?";
constexpr std::string_view kSelectUnacknowledged =
    "SELECT " WEIR_ALERT_COLUMNS
    ", u.seq, a.state FROM alert_unacknowledged AS u"
    " JOIN alerts AS a ON a.report_offset = u.report_offset"
    " WHERE u.seq > ? AND u.seq <= ? ORDER BY u.seq LIMIT ?";

Offset ToOffset(int64_t value) { return Offset(static_cast<uint64_t>(value)); }
int64_t ToInt(Offset offset) { return static_cast<int64_t>(offset.value()); }

Alert ReadAlert(const Statement& row) {
  Alert alert;
  alert.report = ToOffset(row.Int(0));
  alert.study_id = row.Text(1);
  alert.site_id = row.Text(2);
  alert.patient_id = row.Text(3);
  alert.report_id = row.Text(4);
  alert.doctor_id = row.Text(5);
  alert.trace_id = row.Text(6);
  alert.level = ParseLevel(row.Text(7)).value_or(Level::kUrgent);
  alert.reason = row.Text(8);
  alert.created_ms = row.Int(9);
  alert.from_conflict = row.Int(10) != 0;
  alert.state = ParseState(row.Text(11)).value_or(State::kOpen);
  if (!row.IsNull(13)) {
    alert.acknowledgement = {std::string(row.Text(12)), row.Int(13), std::string(row.Text(14))};
  }
  if (!row.IsNull(15)) alert.escalated_ms = row.Int(15);
  return alert;
}

// What came after the event is taken away.
Event ReadEvent(const Statement& row) {
  Event event{row.Int(kAlertColumns), ReadAlert(row)};
  event.alert.state = ParseState(row.Text(kAlertColumns + 1)).value_or(State::kOpen);
  if (event.alert.state != State::kAcknowledged) event.alert.acknowledgement.reset();
  if (event.alert.state == State::kOpen) event.alert.escalated_ms.reset();
  return event;
}

// Runs `read` for each row; the statement is reset whatever happens.
Status ForEachRow(Statement& statement, const std::function<void(const Statement&)>& read) {
  while (true) {
    const Result<bool> row = statement.Step();
    if (!row || !*row) {
      statement.Reset();
      return row ? Status{} : Status(base::Fail(row.error()));
    }
    read(statement);
  }
}

Result<std::vector<Event>> SelectEvents(Connection& reader, std::string_view sql, int64_t after,
                                        int64_t through, size_t limit) {
  WEIR_ASSIGN_OR_RETURN(Statement * select, reader.Prepare(sql));
  select->Bind(1, after).Bind(2, through).Bind(3, static_cast<int64_t>(limit));
  std::vector<Event> events;
  WEIR_RETURN_IF_ERROR(
      ForEachRow(*select, [&](const Statement& row) { events.push_back(ReadEvent(row)); }));
  return events;
}

// The conditions of a list, and what their parameters are. Statements are kept for ever, so the
// texts must be few: the number of studies is rounded up to a power of two.
struct Conditions {
  std::string sql;
  std::vector<std::string> texts;  // bound first, in order

  void Equal(std::string_view column, std::string_view value) {
    if (value.empty()) return;
    sql += " AND a." + std::string(column) + " = ?";
    texts.emplace_back(value);
  }
  void OneOf(std::string_view column, const std::vector<std::string>& values) {
    size_t count = 1;
    while (count < values.size()) count *= 2;
    sql += " AND a." + std::string(column) + " IN (?";
    for (size_t i = 1; i < count; ++i) sql += ", ?";
    sql += ")";
    for (size_t i = 0; i < count; ++i) texts.push_back(values[std::min(i, values.size() - 1)]);
  }
};

Conditions ConditionsOf(const AlertQuery& query) {
  Conditions where;
  where.Equal("study_id", query.study_id);
  if (query.study_id.empty() && !query.scope.all) where.OneOf("study_id", query.scope.studies);
  where.Equal("patient_id", query.patient_id);
  where.Equal("site_id", query.site_id);
  if (query.state) where.Equal("state", Name(*query.state));
  if (query.level) where.Equal("level", Name(*query.level));
  return where;
}

bool SeesNothing(const AlertQuery& query) {
  if (query.scope.all) return false;
  return query.study_id.empty() ? query.scope.studies.empty() : !query.scope.Allows(query.study_id);
}

}  // namespace

Result<AlertPage> List(Connection& reader, const AlertQuery& query) {
  AlertPage page;
  if (SeesNothing(query)) return page;
  const size_t limit = std::clamp<size_t>(query.limit, 1, kPageMax);
  const Conditions where = ConditionsOf(query);
  WEIR_ASSIGN_OR_RETURN(
      Statement * select,
      reader.Prepare("SELECT " WEIR_ALERT_COLUMNS " FROM alerts AS a WHERE 1 = 1" + where.sql +
                     " AND a.report_offset < ? ORDER BY a.report_offset DESC LIMIT ?"));
  int index = 0;
  for (const std::string& text : where.texts) select->BindText(++index, text);
  select->Bind(++index, query.before ? ToInt(*query.before) : INT64_MAX);
  select->Bind(++index, static_cast<int64_t>(limit + 1));  // one more: whether there is a next page
  WEIR_RETURN_IF_ERROR(
      ForEachRow(*select, [&](const Statement& row) { page.alerts.push_back(ReadAlert(row)); }));
  if (page.alerts.size() > limit) {
    page.alerts.pop_back();
    page.next = page.alerts.back().report;
  }
  return page;
}

Result<Alert> Get(Connection& reader, const StudyScope& scope, Offset report) {
  WEIR_ASSIGN_OR_RETURN(Statement * select, reader.Prepare(kSelectOne));
  select->Bind(1, ToInt(report));
  std::optional<Alert> found;
  WEIR_RETURN_IF_ERROR(ForEachRow(*select, [&](const Statement& row) { found = ReadAlert(row); }));
  if (!found || !scope.Allows(found->study_id)) {
    return base::Fail(base::ErrorCode::kNotFound, "there is no such alert");
  }
  return std::move(*found);
}

Result<std::vector<Delivery>> Deliveries(Connection& reader, Offset report) {
  WEIR_ASSIGN_OR_RETURN(Statement * select, reader.Prepare(kSelectDeliveries));
  select->Bind(1, ToInt(report));
  std::vector<Delivery> deliveries;
  WEIR_RETURN_IF_ERROR(ForEachRow(*select, [&](const Statement& row) {
    deliveries.push_back({.stage = static_cast<uint8_t>(row.Int(0)),
                          .target = std::string(row.Text(1)),
                          .delivered = row.Int(2) != 0,
                          .attempts = static_cast<uint32_t>(row.Int(3)),
                          .status = static_cast<uint16_t>(row.Int(4)),
                          .detail = std::string(row.Text(5)),
                          .at_ms = row.Int(6)});
  }));
  return deliveries;
}

Result<std::vector<Event>> EventsAfter(Connection& reader, int64_t after, int64_t through,
                                       size_t limit) {
  return SelectEvents(reader, kSelectEvents, after, through, limit);
}

Result<std::vector<Event>> UnacknowledgedAfter(Connection& reader, int64_t after, int64_t through,
                                               size_t limit) {
  return SelectEvents(reader, kSelectUnacknowledged, after, through, limit);
}

Result<int64_t> LastSequence(Connection& reader) {
  WEIR_ASSIGN_OR_RETURN(Statement * select,
                        reader.Prepare("SELECT coalesce(max(seq), 0) FROM alert_events"));
  int64_t last = 0;
  WEIR_RETURN_IF_ERROR(ForEachRow(*select, [&](const Statement& row) { last = row.Int(0); }));
  return last;
}

Result<bool> HasEvent(Connection& reader, int64_t sequence) {
  WEIR_ASSIGN_OR_RETURN(Statement * select,
                        reader.Prepare("SELECT 1 FROM alert_events WHERE seq = ?"));
  select->Bind(1, sequence);
  bool found = false;
  WEIR_RETURN_IF_ERROR(ForEachRow(*select, [&](const Statement&) { found = true; }));
  return found;
}

}  // namespace weir::alerts

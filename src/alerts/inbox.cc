#include "alerts/inbox.h"

#include <algorithm>

namespace weir::alerts {

using base::Result;
using base::Status;
using store::Connection;
using store::Statement;

namespace {

constexpr std::string_view kInsertAlert =
    "INSERT INTO alerts (report_offset, study_id, site_id, patient_id, report_id, doctor_id, "
    "trace_id,"
    " level, reason, created_ms, from_conflict, state)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open') ON CONFLICT DO NOTHING";
constexpr std::string_view kLastSequence =
    "SELECT coalesce(max(n), 0) FROM (SELECT max(seq) AS n FROM alert_events"
    " UNION ALL SELECT max(id) AS n FROM alert_outbox) AS numbers";
constexpr std::string_view kInsertEvent =
    "INSERT INTO alert_events (seq, report_offset, state) VALUES (?, ?, ?)";
constexpr std::string_view kInsertUnacknowledged =
    "INSERT INTO alert_unacknowledged (seq, report_offset) VALUES (?, ?)";
constexpr std::string_view kDeleteUnacknowledged =
    "DELETE FROM alert_unacknowledged WHERE report_offset = ?";
// Nothing for a delivery whose outcome is known already.
constexpr std::string_view kInsertOutbox =
    "INSERT INTO alert_outbox (id, report_offset, stage, target, urgent)"
    " SELECT ?, report_offset, ?, ?, level = 'urgent' FROM alerts WHERE report_offset = ? AND"
    " NOT EXISTS (SELECT 1 FROM alert_deliveries AS known WHERE known.report_offset = ?"
    " AND known.stage = ? AND known.target = ?) ON CONFLICT DO NOTHING";
constexpr std::string_view kAcknowledge =
    "UPDATE alerts SET state = 'acknowledged', acknowledged_by = ?, acknowledged_ms = ?, note = ?"
    " WHERE report_offset = ? AND state <> 'acknowledged'";
constexpr std::string_view kEscalate =
    "UPDATE alerts SET state = 'escalated', escalated_ms = ?"
    " WHERE report_offset = ? AND state = 'open'";
constexpr std::string_view kExists = "SELECT 1 FROM alerts WHERE report_offset = ?";
constexpr std::string_view kInsertWaiting =
    "INSERT INTO alert_waiting (record_offset, report_offset, state, actor, note, at_ms)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
constexpr std::string_view kSelectWaiting =
    "SELECT state, actor, note, at_ms FROM alert_waiting WHERE report_offset = ?"
    " ORDER BY record_offset";
constexpr std::string_view kDeleteWaiting = "DELETE FROM alert_waiting WHERE report_offset = ?";
constexpr std::string_view kInsertDelivery =
    "INSERT INTO alert_deliveries (report_offset, stage, target, delivered, attempts, status, "
    "detail,"
    " at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
constexpr std::string_view kDeleteFromOutbox =
    "DELETE FROM alert_outbox WHERE report_offset = ? AND stage = ? AND target = ?";
constexpr std::string_view kDeleteOutboxOfReport =
    "DELETE FROM alert_outbox WHERE report_offset = ?";

int64_t ToInt(Offset offset) { return static_cast<int64_t>(offset.value()); }

// Whether the statement yields a row.
Result<bool> HasRow(Statement& statement) {
  Result<bool> row = statement.Step();
  statement.Reset();
  return row;
}

}  // namespace

Inbox::Inbox(Routing routing, const base::Clock& clock)
    : routing_(std::move(routing)), clock_(clock) {}

Result<bool> Inbox::Raise(Connection& connection, const NewAlert& alert) {
  WEIR_ASSIGN_OR_RETURN(Statement * insert, connection.Prepare(kInsertAlert));
  insert->Bind(1, ToInt(alert.report))
      .BindText(2, alert.study_id)
      .BindText(3, alert.site_id)
      .BindText(4, alert.patient_id)
      .BindText(5, alert.report_id)
      .BindText(6, alert.doctor_id)
      .BindText(7, alert.trace_id)
      .BindText(8, Name(alert.level))
      .BindText(9, alert.reason)
      .Bind(10, alert.received_ms)
      .Bind(11, int64_t{alert.from_conflict});
  WEIR_RETURN_IF_ERROR(insert->Run());
  if (connection.Changes() == 0) return false;

  WEIR_RETURN_IF_ERROR(AddEvent(connection, alert.report, State::kOpen));
  for (const std::string& target :
       routing_.TargetsOf(alert.study_id, alert.site_id, alert.doctor_id)) {
    WEIR_RETURN_IF_ERROR(AddToOutbox(connection, alert.report, 0, target));
  }
  WEIR_RETURN_IF_ERROR(ApplyEarlier(connection, alert.report));
  return true;
}

Status Inbox::ApplyAcknowledged(Connection& connection, const wire::AlertActionHead& head,
                                Offset record, int64_t time_ms) {
  return Apply(connection, {head.report, State::kAcknowledged, time_ms, head.actor, head.note},
               record);
}

Status Inbox::ApplyEscalated(Connection& connection, const wire::AlertActionHead& head,
                             Offset record, int64_t time_ms) {
  return Apply(connection, {head.report, State::kEscalated, time_ms, head.actor, head.note},
               record);
}

Status Inbox::ApplyDelivery(Connection& connection, const wire::DeliveryHead& head,
                            int64_t time_ms) {
  WEIR_ASSIGN_OR_RETURN(Statement * insert, connection.Prepare(kInsertDelivery));
  insert->Bind(1, ToInt(head.report))
      .Bind(2, int64_t{head.stage})
      .BindText(3, head.target)
      .Bind(4, int64_t{head.delivered})
      .Bind(5, int64_t{head.attempts})
      .Bind(6, int64_t{head.status})
      .BindText(7, head.detail)
      .Bind(8, time_ms);
  WEIR_RETURN_IF_ERROR(insert->Run());
  WEIR_ASSIGN_OR_RETURN(Statement * remove, connection.Prepare(kDeleteFromOutbox));
  remove->Bind(1, ToInt(head.report)).Bind(2, int64_t{head.stage}).BindText(3, head.target);
  return remove->Run();
}

void Inbox::Committed() {
  if (!changed_) return;
  changed_ = false;
  if (listener_) listener_();
}

// Applies the change, or keeps it until its alert is raised.
Status Inbox::Apply(Connection& connection, const Change& change, Offset record) {
  WEIR_ASSIGN_OR_RETURN(const bool applied, ChangeState(connection, change));
  if (applied) return {};
  WEIR_ASSIGN_OR_RETURN(Statement * exists, connection.Prepare(kExists));
  exists->Bind(1, ToInt(change.report));
  WEIR_ASSIGN_OR_RETURN(const bool raised, HasRow(*exists));
  if (raised) return {};
  WEIR_ASSIGN_OR_RETURN(Statement * wait, connection.Prepare(kInsertWaiting));
  wait->Bind(1, ToInt(record))
      .Bind(2, ToInt(change.report))
      .BindText(3, Name(change.state))
      .BindText(4, change.actor)
      .BindText(5, change.note)
      .Bind(6, change.at_ms);
  return wait->Run();
}

// False: there is no such alert, or its state does not allow the change.
Result<bool> Inbox::ChangeState(Connection& connection, const Change& change) {
  const bool acknowledged = change.state == State::kAcknowledged;
  WEIR_ASSIGN_OR_RETURN(Statement * update,
                        connection.Prepare(acknowledged ? kAcknowledge : kEscalate));
  if (acknowledged) {
    update->BindText(1, change.actor)
        .Bind(2, change.at_ms)
        .BindText(3, change.note)
        .Bind(4, ToInt(change.report));
  } else {
    update->Bind(1, change.at_ms).Bind(2, ToInt(change.report));
  }
  WEIR_RETURN_IF_ERROR(update->Run());
  if (connection.Changes() == 0) return false;
  WEIR_RETURN_IF_ERROR(AddEvent(connection, change.report, change.state));
  if (acknowledged) {
    WEIR_RETURN_IF_ERROR(RemoveFromOutbox(connection, change.report));
  } else if (!routing_.escalation_target().empty()) {
    WEIR_RETURN_IF_ERROR(AddToOutbox(connection, change.report, 1, routing_.escalation_target()));
  }
  return true;
}

// What was applied to the alert before it was raised, in the journal's order.
Status Inbox::ApplyEarlier(Connection& connection, Offset report) {
  struct Kept {
    State state;
    std::string actor, note;
    int64_t at_ms;
  };
  std::vector<Kept> kept;  // at most one acknowledgement and one escalation
  WEIR_ASSIGN_OR_RETURN(Statement * select, connection.Prepare(kSelectWaiting));
  select->Bind(1, ToInt(report));
  while (true) {
    const Result<bool> row = select->Step();
    if (!row) {
      select->Reset();
      return base::Fail(row.error());
    }
    if (!*row) break;
    kept.push_back({ParseState(select->Text(0)).value_or(State::kOpen),
                    std::string(select->Text(1)), std::string(select->Text(2)), select->Int(3)});
  }
  select->Reset();
  if (kept.empty()) return {};
  for (const Kept& change : kept) {
    WEIR_RETURN_IF_ERROR(
        ChangeState(connection, {report, change.state, change.at_ms, change.actor, change.note}));
  }
  WEIR_ASSIGN_OR_RETURN(Statement * remove, connection.Prepare(kDeleteWaiting));
  remove->Bind(1, ToInt(report));
  return remove->Run();
}

Result<int64_t> Inbox::NextSequence(Connection& connection) {
  if (last_sequence_ == 0) {
    WEIR_ASSIGN_OR_RETURN(Statement * last, connection.Prepare(kLastSequence));
    const Result<bool> row = last->Step();
    if (row && *row) last_sequence_ = last->Int(0);
    last->Reset();
    if (!row) return base::Fail(row.error());
  }
  last_sequence_ = std::max(last_sequence_ + 1, clock_.WallMs() * 1000);
  return last_sequence_;
}

Status Inbox::AddEvent(Connection& connection, Offset report, State state) {
  WEIR_ASSIGN_OR_RETURN(const int64_t sequence, NextSequence(connection));
  WEIR_ASSIGN_OR_RETURN(Statement * insert, connection.Prepare(kInsertEvent));
  insert->Bind(1, sequence).Bind(2, ToInt(report)).BindText(3, Name(state));
  WEIR_RETURN_IF_ERROR(insert->Run());
  changed_ = true;
  if (state != State::kOpen) {
    WEIR_ASSIGN_OR_RETURN(Statement * remove, connection.Prepare(kDeleteUnacknowledged));
    remove->Bind(1, ToInt(report));
    WEIR_RETURN_IF_ERROR(remove->Run());
  }
  if (state == State::kAcknowledged) return {};
  WEIR_ASSIGN_OR_RETURN(Statement * add, connection.Prepare(kInsertUnacknowledged));
  add->Bind(1, sequence).Bind(2, ToInt(report));
  return add->Run();
}

Status Inbox::AddToOutbox(Connection& connection, Offset report, uint8_t stage,
                          std::string_view target) {
  WEIR_ASSIGN_OR_RETURN(const int64_t id, NextSequence(connection));
  WEIR_ASSIGN_OR_RETURN(Statement * insert, connection.Prepare(kInsertOutbox));
  insert->Bind(1, id).Bind(2, int64_t{stage}).BindText(3, target).Bind(4, ToInt(report));
  insert->Bind(5, ToInt(report)).Bind(6, int64_t{stage}).BindText(7, target);
  return insert->Run();
}

Status Inbox::RemoveFromOutbox(Connection& connection, Offset report) {
  WEIR_ASSIGN_OR_RETURN(Statement * remove, connection.Prepare(kDeleteOutboxOfReport));
  remove->Bind(1, ToInt(report));
  return remove->Run();
}

}  // namespace weir::alerts

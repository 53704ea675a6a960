#include "alerts/inbox.h"

namespace weir::alerts {

namespace {

// alert_events, alert_unacknowledged and alert_outbox are this store's own: their numbers are. The
// other tables are the same, row by row, in each store made from the same journal.
constexpr std::string_view kInbox = R"sql(
CREATE TABLE alerts (
  report_offset INTEGER PRIMARY KEY,
  study_id TEXT NOT NULL,
  site_id TEXT NOT NULL,
  patient_id TEXT NOT NULL,
  report_id TEXT NOT NULL,
  doctor_id TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  level TEXT NOT NULL CHECK (level IN ('elevated', 'urgent')),
  reason TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  from_conflict INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'acknowledged', 'escalated')),
  acknowledged_by TEXT,
  acknowledged_ms INTEGER,
  note TEXT,
  escalated_ms INTEGER,
  UNIQUE (study_id, report_offset)
);
CREATE INDEX alerts_of_patient ON alerts (study_id, patient_id, report_offset);
CREATE INDEX alerts_by_state ON alerts (state, report_offset);
CREATE INDEX alerts_to_escalate ON alerts (report_offset)
  WHERE state = 'open' AND level = 'urgent';

CREATE TABLE alert_events (
  seq INTEGER PRIMARY KEY,
  report_offset INTEGER NOT NULL,
  state TEXT NOT NULL,
  UNIQUE (report_offset, state)
);

-- Each alert that nobody has acknowledged, at the number of its newest event.
CREATE TABLE alert_unacknowledged (
  seq INTEGER PRIMARY KEY,
  report_offset INTEGER NOT NULL UNIQUE
);

CREATE TABLE alert_outbox (
  id INTEGER PRIMARY KEY,
  report_offset INTEGER NOT NULL,
  stage INTEGER NOT NULL,
  target TEXT NOT NULL,
  urgent INTEGER NOT NULL,
  UNIQUE (report_offset, stage, target)
);
CREATE INDEX alert_outbox_of_target ON alert_outbox (target, urgent, id);

CREATE TABLE alert_deliveries (
  report_offset INTEGER NOT NULL,
  stage INTEGER NOT NULL,
  target TEXT NOT NULL,
  delivered INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  status INTEGER NOT NULL,
  detail TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (report_offset, stage, target)
);

CREATE TABLE alert_waiting (
  record_offset INTEGER PRIMARY KEY,
  report_offset INTEGER NOT NULL,
  state TEXT NOT NULL,
  actor TEXT NOT NULL,
  note TEXT NOT NULL,
  at_ms INTEGER NOT NULL
);
CREATE INDEX alert_waiting_of_report ON alert_waiting (report_offset, record_offset);
)sql";

constexpr store::Migration kMigrations[] = {{100, "alert inbox", kInbox}};

}  // namespace

std::span<const store::Migration> Migrations() { return kMigrations; }

}  // namespace weir::alerts

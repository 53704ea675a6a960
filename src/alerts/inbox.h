// The doctors' inbox in the store: alerts, what became of them, and what must still be delivered.
//
// Everything here is derived from the journal. The committer calls Raise() for a report that is
// urgent or elevated and Apply…() for the journalled records of kinds alert_acknowledged,
// alert_escalated and delivery, inside its own transaction; every call may be repeated and then
// changes nothing. Records may be applied before the report's alert is raised (the control lane
// runs ahead of the bulk): they wait in the store for it, and the result is the same in either
// order.
//
// Raise() and ApplyEscalated() also write the outbox: one row for each target that must be told,
// which DeliveryEngine works off and ApplyDelivery() or an acknowledgement removes. Nothing is sent
// from here, so a rebuild sends nothing.
//
// Each raise and each change of state is an event with a sequence number, larger than every one
// before it. Numbers start from the wall clock in microseconds, so those of a rebuilt store are
// larger than those of the store it replaces. Tables, and which columns a rebuild repeats:
// docs/alerts.md.
//
// Threads: all on the committer's thread, but SetListener(), which comes before the first use.
// Errors: those of the connection, unchanged; after one the caller rolls back.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "alerts/alert.h"
#include "alerts/routing.h"
#include "base/clock.h"
#include "base/result.h"
#include "store/database.h"
#include "wire/envelope.h"

namespace weir::alerts {

// Numbered 100–199.
std::span<const store::Migration> Migrations();

struct NewAlert {
  Offset report;  // of the record, also when it is a conflict's
  std::string_view study_id, site_id, patient_id, report_id, doctor_id;
  std::string_view trace_id;
  Level level = Level::kElevated;
  std::string_view reason;  // codes and numbers only, see clinical::Triage
  int64_t received_ms = 0;  // the record's time: the alert's created_at
  bool from_conflict = false;
};

class Inbox {
 public:
  // `clock` must outlive the inbox; it numbers events and is stored nowhere else.
  Inbox(Routing routing, const base::Clock& clock);

  // True: raised now. False: this report's alert was there already, and is as it was.
  base::Result<bool> Raise(store::Connection& connection, const NewAlert& alert);

  // `record` and `time_ms` are the journalled record's own offset and time.
  base::Status ApplyAcknowledged(store::Connection& connection, const wire::AlertActionHead& head,
                                 Offset record, int64_t time_ms);
  // Changes nothing if the alert was acknowledged by an earlier record.
  base::Status ApplyEscalated(store::Connection& connection, const wire::AlertActionHead& head,
                              Offset record, int64_t time_ms);
  base::Status ApplyDelivery(store::Connection& connection, const wire::DeliveryHead& head,
                             int64_t time_ms);

  // After each commit that may hold calls from above: runs the listener if anything was written.
  // Needless after a rollback, harmless anyway.
  void Committed();

  // What Committed() runs: wakes the stream and the deliveries, and must not block.
  void SetListener(std::function<void()> listener) { listener_ = std::move(listener); }

 private:
  struct Change {
    Offset report;
    State state;
    int64_t at_ms;
    std::string_view actor, note;
  };
  base::Result<int64_t> NextSequence(store::Connection& connection);
  base::Status Apply(store::Connection& connection, const Change& change, Offset record);
  base::Result<bool> ChangeState(store::Connection& connection, const Change& change);
  base::Status ApplyEarlier(store::Connection& connection, Offset report);
  base::Status AddEvent(store::Connection& connection, Offset report, State state);
  base::Status AddToOutbox(store::Connection& connection, Offset report, uint8_t stage,
                           std::string_view target);
  base::Status RemoveFromOutbox(store::Connection& connection, Offset report);

  Routing routing_;
  const base::Clock& clock_;
  std::function<void()> listener_;
  int64_t last_sequence_ = 0;  // 0: not read yet
  bool changed_ = false;       // since the last Committed()
};

}  // namespace weir::alerts

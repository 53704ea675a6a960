// The kinds of record in the journal. Numbers are never reused.
#pragma once

#include <cstdint>

namespace weir::wire {

enum class Kind : uint16_t {
  kReport = 1,             // head: ReportHead; body: the report as it was sent
  kDefinition = 2,         // an instrument's version; key: its hash
  kAlertAcknowledged = 3,  // a person's acknowledgement of an alert, with the note
  kAlertEscalated = 4,
  kDelivery = 5,   // the outcome of a delivery
  kReplay = 6,     // a record is taken out of a task's quarantine and done again
  kTaskState = 7,  // an operator paused or resumed a task
  kAudit = 8,      // who read or exported what, and operators' actions
};

// "report", "definition", …; "unknown" for a number that no version has written.
const char* Name(Kind kind);

}  // namespace weir::wire

// The heads of journal records: who, what, when, beside the body that was sent.
//
// Each head is a version byte and then fields in a fixed order, strings with a 16-bit length; new
// fields are only ever added at the end. Format and golden files: docs/formats/records.md.
// Decoded strings are views into the bytes that were decoded. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/offset.h"
#include "base/result.h"
#include "journal/record.h"
#include "wire/kinds.h"

namespace weir::wire {

using base::Offset;

struct ReportHead {
  std::string_view study_id;
  std::string_view report_id;
  std::string_view patient_id;
  std::string_view site_id;  // empty: not given, likewise below
  std::string_view doctor_id;
  std::string_view instrument;       // as named by the sender, or inferred
  std::string_view definition_hash;  // 32 bytes, or empty: no definition in force
  std::optional<int64_t> authored_ms;
  std::string_view sender;       // the token's name
  std::string_view trace_id;     // 32 hexadecimal digits, or empty
  std::string_view span;         // 8 bytes: the trace is sampled, and this span took the report in
  std::string_view trace_state;  // W3C tracestate, of the caller
};

struct AlertActionHead {   // kAlertAcknowledged, kAlertEscalated
  Offset report;           // the alert's report: alerts are named by it
  std::string_view actor;  // token name or "weir"
  std::string_view note;
};

struct DeliveryHead {      // kDelivery
  Offset report;           // of the alert
  uint8_t stage = 0;       // 0: the alert itself, 1: its escalation
  bool delivered = false;  // false: given up on, for good
  uint32_t attempts = 0;
  uint16_t status = 0;      // last HTTP status; 0: none
  std::string_view target;  // the configured target's name, never its URL
  std::string_view detail;
};

struct ReplayHead {  // kReplay
  std::string_view task;
  Offset record;
  std::string_view actor;
};

struct TaskStateHead {  // kTaskState
  std::string_view task;
  bool paused = false;
  std::string_view actor;
};

struct AuditHead {  // kAudit
  std::string_view actor;
  std::string_view action;  // "read", "list", "export", "acknowledge", "pause", "resume", "replay"
  std::string_view route;   // template: "/api/v1/reports/{study}/{report_id}"
  std::string_view study_id;
  std::string_view subject;  // what was asked for: a report's or patient's id, a table's name
  std::string_view trace_id;
};

std::string Encode(const ReportHead& head);
void AppendTo(std::string& out, const ReportHead& head);  // the hot path's form
std::string Encode(const AlertActionHead& head);
std::string Encode(const DeliveryHead& head);
std::string Encode(const ReplayHead& head);
std::string Encode(const TaskStateHead& head);
std::string Encode(const AuditHead& head);

base::Result<ReportHead> DecodeReport(std::string_view bytes);
// The report's id alone, of a head that this program has just encoded; empty if it is not one.
std::string_view ReportIdOf(std::string_view head);
base::Result<AlertActionHead> DecodeAlertAction(std::string_view bytes);
base::Result<DeliveryHead> DecodeDelivery(std::string_view bytes);
base::Result<ReplayHead> DecodeReplay(std::string_view bytes);
base::Result<TaskStateHead> DecodeTaskState(std::string_view bytes);
base::Result<AuditHead> DecodeAudit(std::string_view bytes);

// The identities that the journal keeps unique.
journal::Key ReportKey(std::string_view study_id, std::string_view report_id);
journal::Key DefinitionKey(const base::Digest& hash);
journal::Key AlertActionKey(Kind kind, Offset report);  // once per alert
journal::Key DeliveryKey(Offset report, uint8_t stage, std::string_view target);

}  // namespace weir::wire

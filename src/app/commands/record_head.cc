#include "app/commands/record_head.h"

#include <string_view>

#include "base/bytes.h"
#include "wire/envelope.h"
#include "wire/kinds.h"

namespace weir::app {
namespace {

using base::JsonWriter;
using wire::Kind;

void Text(JsonWriter& json, std::string_view name, std::string_view value) {
  if (!value.empty()) json.Key(name).String(value);
}
void At(JsonWriter& json, std::string_view name, base::Offset offset) {
  json.Key(name).Number(offset.value());
}

void Write(JsonWriter& json, const wire::ReportHead& head) {
  Text(json, "study_id", head.study_id);
  Text(json, "report_id", head.report_id);
  Text(json, "patient_id", head.patient_id);
  Text(json, "site_id", head.site_id);
  Text(json, "doctor_id", head.doctor_id);
  Text(json, "instrument", head.instrument);
  Text(json, "definition", base::ToHex(head.definition_hash));
  if (head.authored_ms) json.Key("authored_at").Time(*head.authored_ms);
  Text(json, "sender", head.sender);
  Text(json, "trace_id", head.trace_id);
  Text(json, "trace_state", head.trace_state);
}
void Write(JsonWriter& json, const wire::AlertActionHead& head) {
  At(json, "report", head.report);
  Text(json, "actor", head.actor);
  Text(json, "note", head.note);
}
void Write(JsonWriter& json, const wire::DeliveryHead& head) {
  At(json, "report", head.report);
  Text(json, "stage", head.stage == 0 ? "alert" : "escalation");
  Text(json, "target", head.target);
  json.Key("delivered").Bool(head.delivered);
  json.Key("attempts").Number(uint64_t{head.attempts});
  if (head.status != 0) json.Key("status").Number(uint64_t{head.status});
  Text(json, "detail", head.detail);
}
void Write(JsonWriter& json, const wire::ReplayHead& head) {
  Text(json, "task", head.task);
  At(json, "record", head.record);
  Text(json, "actor", head.actor);
}
void Write(JsonWriter& json, const wire::TaskStateHead& head) {
  Text(json, "task", head.task);
  json.Key("paused").Bool(head.paused);
  Text(json, "actor", head.actor);
}
void Write(JsonWriter& json, const wire::AuditHead& head) {
  Text(json, "actor", head.actor);
  Text(json, "action", head.action);
  Text(json, "route", head.route);
  Text(json, "study_id", head.study_id);
  Text(json, "subject", head.subject);
  Text(json, "trace_id", head.trace_id);
}

template <class Head>
void Decoded(JsonWriter& json, const base::Result<Head>& head) {
  if (head) return Write(json, *head);
  json.Key("unreadable").String(head.error().message);
}

}  // namespace

void WriteHead(JsonWriter& json, const journal::RecordView& record) {
  json.BeginObject();
  switch (static_cast<Kind>(record.kind)) {
    case Kind::kReport:
      Decoded(json, wire::DecodeReport(record.head));
      break;
    case Kind::kAlertAcknowledged:
    case Kind::kAlertEscalated:
      Decoded(json, wire::DecodeAlertAction(record.head));
      break;
    case Kind::kDelivery:
      Decoded(json, wire::DecodeDelivery(record.head));
      break;
    case Kind::kReplay:
      Decoded(json, wire::DecodeReplay(record.head));
      break;
    case Kind::kTaskState:
      Decoded(json, wire::DecodeTaskState(record.head));
      break;
    case Kind::kAudit:
      Decoded(json, wire::DecodeAudit(record.head));
      break;
    case Kind::kDefinition:
      break;  // it has none
  }
  json.EndObject();
}

}  // namespace weir::app

#include "alerts/alert.h"

#include <algorithm>

#include "base/number.h"

namespace weir::alerts {

std::string_view Name(Level level) { return level == Level::kUrgent ? "urgent" : "elevated"; }

std::string_view Name(State state) {
  switch (state) {
    case State::kOpen:
      return "open";
    case State::kAcknowledged:
      return "acknowledged";
    case State::kEscalated:
      return "escalated";
  }
  return "open";
}

std::optional<Level> ParseLevel(std::string_view name) {
  for (const Level level : {Level::kElevated, Level::kUrgent}) {
    if (name == Name(level)) return level;
  }
  return std::nullopt;
}

std::optional<State> ParseState(std::string_view name) {
  for (const State state : {State::kOpen, State::kAcknowledged, State::kEscalated}) {
    if (name == Name(state)) return state;
  }
  return std::nullopt;
}

std::string AlertId(Offset report) { return "a-" + std::to_string(report.value()); }

std::optional<Offset> ParseAlertId(std::string_view id) {
  if (!id.starts_with("a-")) return std::nullopt;
  id.remove_prefix(2);
  if (id.size() > 1 && id.front() == '0') return std::nullopt;  // one id has one spelling
  const auto value = base::ParseNumber<uint64_t>(id);
  if (!value || *value > INT64_MAX) return std::nullopt;  // the store's integers are signed
  return Offset(*value);
}

namespace {

void WriteUnlessEmpty(base::JsonWriter& json, std::string_view key, std::string_view value) {
  if (!value.empty()) json.Key(key).String(value);
}

void WriteDelivery(base::JsonWriter& json, const Delivery& delivery) {
  json.BeginObject();
  json.Key("stage").String(delivery.stage == 0 ? "alert" : "escalation");
  json.Key("target").String(delivery.target);
  json.Key("delivered").Bool(delivery.delivered);
  json.Key("attempts").Number(uint64_t{delivery.attempts});
  if (delivery.status != 0) json.Key("status").Number(uint64_t{delivery.status});
  WriteUnlessEmpty(json, "detail", delivery.detail);
  json.Key("at").Time(delivery.at_ms);
  json.EndObject();
}

}  // namespace

void WriteMembers(base::JsonWriter& json, const Alert& alert) {
  json.Key("id").String(alert.id());
  json.Key("study_id").String(alert.study_id);
  WriteUnlessEmpty(json, "site_id", alert.site_id);
  json.Key("patient_id").String(alert.patient_id);
  WriteUnlessEmpty(json, "doctor_id", alert.doctor_id);
  json.Key("report_id").String(alert.report_id);
  json.Key("level").String(Name(alert.level));
  json.Key("reason").String(alert.reason);
  json.Key("created_at").Time(alert.created_ms);
  json.Key("state").String(Name(alert.state));
  if (alert.from_conflict) json.Key("from_conflict").Bool(true);
  if (alert.escalated_ms) json.Key("escalated_at").Time(*alert.escalated_ms);
  if (alert.acknowledgement) {
    json.Key("acknowledged_by").String(alert.acknowledgement->by);
    json.Key("acknowledged_at").Time(alert.acknowledgement->at_ms);
    json.Key("note").String(alert.acknowledgement->note);
  }
}

std::string ToJson(const Alert& alert) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  WriteMembers(json, alert);
  json.EndObject();
  return out;
}

std::string ToJson(const Alert& alert, const std::vector<Delivery>& deliveries) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  WriteMembers(json, alert);
  json.Key("deliveries").BeginArray();
  for (const Delivery& delivery : deliveries) WriteDelivery(json, delivery);
  json.EndArray().EndObject();
  return out;
}

bool StudyScope::Allows(std::string_view study_id) const {
  return all || std::find(studies.begin(), studies.end(), study_id) != studies.end();
}

}  // namespace weir::alerts

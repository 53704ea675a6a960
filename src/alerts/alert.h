// An alert: one report that a doctor must see, and what became of it.
//
// An alert is named by the offset of its report's record, so it has the same id however often the
// store is made again from the journal. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "base/offset.h"

namespace weir::alerts {

using base::Offset;

enum class Level : uint8_t { kElevated, kUrgent };
enum class State : uint8_t { kOpen, kAcknowledged, kEscalated };

// "elevated", "urgent"; "open", "acknowledged", "escalated": as in the API and in the store.
std::string_view Name(Level level);
std::string_view Name(State state);
std::optional<Level> ParseLevel(std::string_view name);
std::optional<State> ParseState(std::string_view name);

// "a-<offset>".
std::string AlertId(Offset report);
std::optional<Offset> ParseAlertId(std::string_view id);

struct Acknowledgement {
  std::string by;
  int64_t at_ms = 0;
  std::string note;
};

// How a delivery ended. One that is still tried is not listed.
struct Delivery {
  uint8_t stage = 0;  // 0: the alert itself, 1: its escalation
  std::string target;
  bool delivered = false;
  uint32_t attempts = 0;
  uint16_t status = 0;  // last HTTP status; 0: none
  std::string detail;
  int64_t at_ms = 0;
};

struct Alert {
  Offset report;
  std::string study_id, site_id, patient_id, report_id, doctor_id;  // site, doctor: may be empty
  std::string trace_id;                                             // may be empty
  Level level = Level::kElevated;
  std::string reason;
  int64_t created_ms = 0;  // when the report was received
  bool from_conflict = false;
  State state = State::kOpen;
  std::optional<Acknowledgement> acknowledgement;
  std::optional<int64_t> escalated_ms;

  std::string id() const { return AlertId(report); }
};

// The members of the alert's JSON object, without its braces: the form of the API, of the stream
// and of webhooks. Members that have no value are left out.
void WriteMembers(base::JsonWriter& json, const Alert& alert);
// The whole object.
std::string ToJson(const Alert& alert);
// The object with `"deliveries":[…]`.
std::string ToJson(const Alert& alert, const std::vector<Delivery>& deliveries);

// The studies that somebody may see.
struct StudyScope {
  bool all = false;
  std::vector<std::string> studies;  // looked at only when `all` is false

  static StudyScope All() { return {true, {}}; }
  bool Allows(std::string_view study_id) const;
};

}  // namespace weir::alerts

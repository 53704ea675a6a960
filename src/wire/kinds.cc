#include "wire/kinds.h"

namespace weir::wire {

const char* Name(Kind kind) {
  switch (kind) {
    case Kind::kReport:
      return "report";
    case Kind::kDefinition:
      return "definition";
    case Kind::kAlertAcknowledged:
      return "alert_acknowledged";
    case Kind::kAlertEscalated:
      return "alert_escalated";
    case Kind::kDelivery:
      return "delivery";
    case Kind::kReplay:
      return "replay";
    case Kind::kTaskState:
      return "task_state";
    case Kind::kAudit:
      return "audit";
  }
  return "unknown";
}

}  // namespace weir::wire

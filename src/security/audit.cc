#include "security/audit.h"

namespace weir::security {

base::Status AuditTrail::Record(const wire::AuditHead& head) {
  journal::RecordHeader header;
  header.kind = static_cast<uint16_t>(wire::Kind::kAudit);
  header.time_ms = clock_.WallMs();
  header.sha256 = base::Sha256({});
  switch (journal_.AppendAndWait(header, wire::Encode(head), {}).outcome) {
    case journal::Outcome::kStored:
      return {};
    case journal::Outcome::kNoSpace:
      return base::Fail(base::ErrorCode::kNoSpace,
                        "the disk is full, so the access could not be recorded");
    default:
      return base::Fail(base::ErrorCode::kStopped,
                        "the journal has stopped, so the access could not be recorded");
  }
}

}  // namespace weir::security

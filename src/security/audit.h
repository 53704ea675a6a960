// The audit trail: who read or exported a patient's data, or acted as an operator, and when, in the
// journal (21 CFR 11.10(e); ICH E6(R3) 4.2.2). Never in logs.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "journal/journal.h"
#include "wire/envelope.h"

namespace weir::security {

class AuditTrail {
 public:
  // Both outlive the trail.
  AuditTrail(journal::Journal& journal, const base::Clock& clock)
      : journal_(journal), clock_(clock) {}

  // Returns when the entry is durable; what it speaks of must not be shown or done before. Never on
  // a loop. kNoSpace, kStopped: nothing was recorded.
  base::Status Record(const wire::AuditHead& head);

 private:
  journal::Journal& journal_;
  const base::Clock& clock_;
};

}  // namespace weir::security

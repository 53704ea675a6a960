// Operators' view of the breakers: GET /api/v1/breakers, POST /api/v1/breakers/{name}/force.
#pragma once

#include <vector>

#include "base/clock.h"
#include "exec/worker_pool.h"
#include "guard/breakers.h"
#include "security/audit.h"
#include "security/route.h"

namespace weir::app {

// All outlive the routes. Orders are audited before they take effect.
struct BreakersApiParts {
  guard::Breakers& breakers;
  exec::WorkerPool& helpers;
  security::AuditTrail& audit;
  const base::Clock& clock;
};
std::vector<security::Route> BreakerRoutes(const BreakersApiParts& parts);

}  // namespace weir::app

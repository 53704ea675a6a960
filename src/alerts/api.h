// The doctors' inbox over HTTP: list, read, acknowledge, follow.
#pragma once

#include <vector>

#include "alerts/acknowledge.h"
#include "alerts/queries.h"
#include "alerts/stream.h"
#include "exec/worker_pool.h"
#include "security/audit.h"
#include "security/route.h"
#include "security/token_store.h"
#include "store/reader_pool.h"

namespace weir::alerts {

// What the routes use; everything outlives them.
struct ApiParts {
  store::ReaderPool& readers;
  exec::WorkerPool& helpers;
  security::AuditTrail& audit;
  Stream& stream;
  journal::Journal& journal;
  const base::Clock& clock;
  const security::TokenStore& tokens;
};

std::vector<security::Route> ApiRoutes(const ApiParts& parts);

}  // namespace weir::alerts

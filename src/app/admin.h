// The administration server: /metrics, /livez, /readyz and /debug/pprof/, on a port of its own,
// which is up before the journal is recovered and goes last.
#pragma once

#include <memory>

#include "app/readiness.h"
#include "exec/worker_pool.h"
#include "net/http.h"
#include "observe/metrics.h"

namespace weir::app {

// All arguments outlive the handler. Profiles block for seconds, so they are taken on `helpers`.
std::unique_ptr<net::Handler> MakeAdminHandler(const observe::Metrics& metrics,
                                               const Readiness& readiness,
                                               exec::WorkerPool& helpers);

}  // namespace weir::app

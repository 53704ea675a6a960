// What the parts count, as metrics: names and meanings in docs/operations.md.
#pragma once

#include <vector>

#include "alerts/delivery.h"
#include "alerts/stream.h"
#include "guard/breakers.h"
#include "journal/journal.h"
#include "net/server.h"
#include "net/tls.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "services/epro/intake.h"
#include "tasks/engine.h"

namespace weir::app {

void CollectJournal(const journal::Stats& stats, observe::Sample& sample);
void CollectServer(const net::ServerStats& stats, observe::Sample& sample);
void CollectTasks(const std::vector<tasks::TaskStatus>& tasks, const tasks::EngineStats& engine,
                  observe::Sample& sample);
void CollectAlerts(const alerts::DeliveryStats& delivery, const alerts::StreamStats& stream,
                   observe::Sample& sample);
void CollectTls(net::TlsContext& tls, observe::Sample& sample);
void CollectBreakers(const std::vector<guard::BreakerStatus>& breakers, observe::Sample& sample);
void CollectIntake(const std::vector<const epro::IntakeStats*>& loops, observe::Sample& sample);
void CollectLog(const observe::LogStats& stats, observe::Sample& sample);

}  // namespace weir::app

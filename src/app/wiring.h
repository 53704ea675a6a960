// The parts' options out of the configuration: which key governs what.
#pragma once

#include <memory>
#include <string>

#include "alerts/delivery.h"
#include "alerts/routing.h"
#include "app/config/config.h"
#include "base/clock.h"
#include "guard/breakers.h"
#include "guard/gate.h"
#include "guard/rate_limits.h"
#include "net/client/otlp_exporter.h"
#include "net/tls.h"
#include "observe/log.h"
#include "services/epro/api.h"
#include "services/epro/intake.h"
#include "store/database.h"
#include "tasks/engine.h"

namespace weir::app {

std::string JournalDirectory(const config::Config& config);  // DataDir/journal
std::string StorePath(const config::Config& config);         // DataDir/weir.db
// Instruments.Directory; if that is the default and not here, the one beside the program.
std::string InstrumentsDirectory(const config::Config& config);

observe::LogOptions LogOptions(const config::Config& config);
alerts::RoutingOptions RoutingOptions(const config::Config& config);
alerts::DeliveryOptions DeliveryOptions(const config::Config& config, const base::Clock& clock);
tasks::EngineOptions EngineOptions(const config::Config& config);
net::TlsOptions TlsOptions(const config::Config& config);
guard::GateOptions GateOptions(const config::Config& config);
guard::BreakersOptions BreakersOptions(const config::Config& config);
guard::RateLimitOptions RateLimitOptions(const config::Config& config);
net::OtlpOptions OtlpOptions(const config::Config& config, const base::Clock& clock);
epro::IntakeOptions IntakeOptions(const config::Config& config);
epro::ScheduleOf Schedules(const config::Config& config);

// Opens DataDir/weir.db and brings its schema up to date.
base::Result<std::unique_ptr<store::Database>> OpenStore(const config::Config& config);

}  // namespace weir::app

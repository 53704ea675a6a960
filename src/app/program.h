// The composition root and the lifecycle: only this folder knows which store, clock and transport
// are in use, and in which order they start and stop.
#pragma once

#include "app/commands/commands.h"
#include "app/config/config.h"

namespace weir::app {

// Runs until SIGTERM or SIGINT, or until the journal fails. `arguments` are read again on SIGHUP.
// Returns the exit code: 0 after an orderly stop, 1 after a failure, 2 if the configuration cannot
// be served as it is. `files` holds the journal.
int RunServer(config::Config config, const ConfigArguments& arguments, io::FileSystem& files);

}  // namespace weir::app

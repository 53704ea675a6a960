#pragma once

#include <optional>

#include "app/commands/commands.h"
#include "app/config/config.h"

namespace weir::app {

// Nothing: every reason has been printed.
std::optional<config::Config> LoadConfig(const ConfigArguments& arguments);

}  // namespace weir::app

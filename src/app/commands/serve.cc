#include <CLI/CLI.hpp>
#include <memory>

#include "app/commands/commands.h"
#include "app/commands/load_config.h"
#include "app/program.h"

namespace weir::app {

void AddServe(CLI::App& app, int* exit_code) {
  CLI::App* serve = app.add_subcommand("serve", "runs the server until SIGTERM or SIGINT");
  const auto arguments = std::make_shared<ConfigArguments>();
  arguments->AddTo(*serve);
  serve->callback([arguments, exit_code] {
    auto config = LoadConfig(*arguments);
    *exit_code = config ? RunServer(std::move(*config), *arguments) : kWrongUsage;
  });
}

}  // namespace weir::app

#include <CLI/CLI.hpp>
#include <memory>

#include "app/commands/commands.h"
#include "app/commands/load_config.h"
#include "app/program.h"

namespace weir::app {

void AddServe(CLI::App& app, io::FileSystem& files, int* exit_code) {
  CLI::App* serve = app.add_subcommand("serve", "runs the server until SIGTERM or SIGINT");
  const auto arguments = std::make_shared<ConfigArguments>();
  arguments->AddTo(*serve);
  serve->callback([arguments, &files, exit_code] {
    auto config = LoadConfig(*arguments);
    *exit_code = config ? RunServer(std::move(*config), *arguments, files) : kWrongUsage;
  });
}

}  // namespace weir::app

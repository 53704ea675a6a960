#include "tools/surge/surge.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <vector>

#include "app/commands/commands.h"

namespace weir::app {

// The load generator reads its own arguments, so that it can be built and used without the server.
void AddSurge(CLI::App& app, int* exit_code) {
  CLI::App* command =
      app.add_subcommand("surge", "plays patients who all answer at once, and checks");
  command->prefix_command();
  command->set_help_flag();
  command->callback([command, exit_code] {
    const std::vector<std::string> rest = command->remaining();
    std::vector<const char*> argv{"weir surge"};
    for (const std::string& argument : rest) argv.push_back(argument.c_str());
    *exit_code = surge::RunSurge(static_cast<int>(argv.size()), argv.data());
  });
}

}  // namespace weir::app

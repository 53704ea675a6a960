// The command line of weir.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "app/commands/commands.h"
#include "app/version.h"
#include "io/posix_file_system.h"

namespace {

// Whether the command line ends, or goes on with something unknown, where a command must follow.
bool LacksCommand(const CLI::App& app) {
  const CLI::App* last = &app;
  while (!last->get_subcommands().empty()) last = last->get_subcommands().front();
  return last->get_require_subcommand_min() > 0;
}

int ShowCommands(const CLI::App& app) {
  const std::vector<std::string> unknown = app.remaining(true);
  if (!unknown.empty()) {
    std::fprintf(stderr, "weir: there is no command '%s'\n", unknown.front().c_str());
  }
  std::fputs(app.help().c_str(), stderr);  // of the last command that was understood
  return weir::app::kWrongUsage;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace weir::app;
  std::signal(SIGPIPE, SIG_IGN);

  CLI::App app{
      "Weir takes floods of clinical reports, acknowledges each when it is safe on disk, and "
      "works it off at a measured rate."};
  const std::string version = std::string("weir ") + kVersion + (kSanitized ? " (sanitized)" : "");
  app.set_version_flag("--version", version, "prints the version");
  app.require_subcommand(1);
  int exit_code = kDone;
  AddServe(app, weir::io::PosixFileSystem(), &exit_code);
  AddSurge(app, &exit_code);
  AddJournal(app, &exit_code);
  AddRebuild(app, &exit_code);
  AddConfig(app, &exit_code);
  AddTokens(app, &exit_code);
  AddGuard(app, &exit_code);
  app.add_subcommand("version", "prints the version")->callback([&version] {
    std::printf("%s\n", version.c_str());
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0 && LacksCommand(app)) return ShowCommands(app);
    return app.exit(error) == 0 ? kDone : kWrongUsage;
  }
  return exit_code;
}

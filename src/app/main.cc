// The command line of weir.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "app/commands/commands.h"
#include "app/version.h"
#include "io/posix_file_system.h"

int main(int argc, char** argv) {
  using namespace weir::app;
  std::signal(SIGPIPE, SIG_IGN);

  CLI::App app{
      "Weir takes floods of clinical reports, acknowledges each when it is safe on disk, and "
      "works it off at a measured rate."};
  app.require_subcommand(1);
  int exit_code = kDone;
  AddServe(app, weir::io::PosixFileSystem(), &exit_code);
  AddSurge(app, &exit_code);
  AddJournal(app, &exit_code);
  AddRebuild(app, &exit_code);
  AddConfig(app, &exit_code);
  AddTokens(app, &exit_code);
  AddGuard(app, &exit_code);
  app.add_subcommand("version", "prints the version")->callback([] {
    std::printf("weir %s%s\n", kVersion, kSanitized ? " (sanitized)" : "");
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kWrongUsage;
  }
  return exit_code;
}

// `bench_slow_disk MS serve …`: the server on a disk whose syncs take at least MS milliseconds.
#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "app/commands/commands.h"
#include "io/posix_file_system.h"
#include "testing/disk/slow_file_system.h"

int main(int argc, char** argv) {
  using namespace weir;
  std::signal(SIGPIPE, SIG_IGN);
  const int sync_ms = argc > 1 ? std::atoi(argv[1]) : 0;
  testing::SlowFileSystem disk(io::PosixFileSystem(), std::chrono::milliseconds(sync_ms));

  CLI::App app{"The server on a slow disk."};
  app.require_subcommand(1);
  int exit_code = app::kDone;
  app::AddServe(app, disk, &exit_code);
  try {
    app.parse(argc - 1, argv + 1);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? app::kDone : app::kWrongUsage;
  }
  return exit_code;
}

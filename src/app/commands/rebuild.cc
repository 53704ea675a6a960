#include "tasks/rebuild.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "alerts/inbox.h"
#include "app/commands/commands.h"
#include "app/commands/load_config.h"
#include "app/wiring.h"
#include "base/clock.h"
#include "io/posix_file_system.h"
#include "journal/inspect.h"
#include "security/research_key.h"
#include "services/epro/effects.h"
#include "services/epro/schema.h"

namespace weir::app {
namespace {

base::Result<tasks::Rebuilt> Rebuild(const config::Config& config) {
  io::FileSystem& files = io::PosixFileSystem();
  WEIR_ASSIGN_OR_RETURN(const bool there, files.Exists(config.data_dir));
  if (!there) {
    return base::Fail(base::ErrorCode::kNotFound,
                      "there is no directory " + config.data_dir + " (DataDir)");
  }
  // A running server holds it. The journal is opened as a server would: its end is recovered first.
  WEIR_ASSIGN_OR_RETURN(const auto lock, files.Lock(config.data_dir));
  journal::Options options = config.journal.options;
  options.directory = JournalDirectory(config);
  // Of nothing an empty store would be made, in the place of the one that is there.
  WEIR_ASSIGN_OR_RETURN(const bool any, journal::HasSegments(files, options.directory));
  if (!any) {
    return base::Fail(base::ErrorCode::kNotFound,
                      "there is no segment of a journal in " + options.directory);
  }
  WEIR_ASSIGN_OR_RETURN(const auto key, security::ResearchKey::Load(config.data_dir));
  WEIR_ASSIGN_OR_RETURN(const auto journal,
                        journal::Journal::Open(files, base::SystemClock(), options));
  WEIR_ASSIGN_OR_RETURN(auto routing, alerts::Routing::Build(RoutingOptions(config)));
  alerts::Inbox inbox(std::move(routing), base::SystemClock());
  WEIR_ASSIGN_OR_RETURN(
      const auto service,
      epro::MakeEffects({.master_key = std::string(key.bytes())}, *journal, inbox));
  tasks::RebuildOptions rebuild;
  rebuild.store = config.store.sqlite;
  rebuild.store.path = StorePath(config);
  if (isatty(STDERR_FILENO)) {
    rebuild.progress = [](base::Offset done, base::Offset end) {
      std::fprintf(stderr, "\r%llu of %llu records", static_cast<unsigned long long>(done.value()),
                   static_cast<unsigned long long>(end.value()));
    };
  }
  return tasks::Rebuild(rebuild, *journal, epro::StoreMigrations(), *service);
}

}  // namespace

void AddRebuild(CLI::App& app, int* exit_code) {
  CLI::App* command =
      app.add_subcommand("rebuild", "makes the store again from the journal; sends nothing");
  const auto arguments = std::make_shared<ConfigArguments>();
  arguments->AddTo(*command);
  command->callback([arguments, exit_code] {
    const auto config = LoadConfig(*arguments);
    if (!config) {
      *exit_code = kWrongUsage;
      return;
    }
    const auto rebuilt = Rebuild(*config);
    *exit_code = rebuilt ? kDone : kFailed;
    if (rebuilt) {
      std::printf("the store was made again from %llu records; %llu are in quarantine\n",
                  static_cast<unsigned long long>(rebuilt->records),
                  static_cast<unsigned long long>(rebuilt->quarantined));
    } else {
      std::fprintf(stderr, "weir: %s\n", rebuilt.error().message.c_str());
    }
  });
}

}  // namespace weir::app

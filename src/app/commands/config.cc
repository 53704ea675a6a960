#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/commands/commands.h"
#include "app/commands/load_config.h"
#include "app/config/load.h"

namespace weir::app {

void ConfigArguments::AddTo(CLI::App& command) {
  command.add_option("--config", file, "configuration file (YAML); none: the defaults");
  command.add_option("--set", sets, "Path.To.Key=value, over the file and the environment")
      ->allow_extra_args(false);
}

std::optional<config::Config> LoadConfig(const ConfigArguments& arguments) {
  auto sources = config::Gather(arguments.file, arguments.sets);
  if (!sources) {
    std::fprintf(stderr, "weir: %s\n", sources.error().message.c_str());
    return std::nullopt;
  }
  config::Loaded loaded = config::Load(*sources);
  for (const std::string& warning : loaded.warnings) {
    std::fprintf(stderr, "weir: %s\n", warning.c_str());
  }
  for (const std::string& error : loaded.errors) std::fprintf(stderr, "weir: %s\n", error.c_str());
  if (!loaded.ok()) return std::nullopt;
  return std::move(loaded.config);
}

void AddConfig(CLI::App& app, int* exit_code) {
  CLI::App* group = app.add_subcommand("config", "checks, shows and explains the configuration");
  group->require_subcommand(1);

  const auto arguments = std::make_shared<ConfigArguments>();
  CLI::App* check = group->add_subcommand("check", "says whether a configuration is good");
  check->add_option("file", arguments->file, "configuration file");
  arguments->AddTo(*check);
  check->callback([arguments, exit_code] {
    *exit_code = LoadConfig(*arguments) ? kDone : kWrongUsage;
    if (*exit_code == kDone) std::puts("the configuration is good");
  });

  CLI::App* show = group->add_subcommand("show", "prints what is in force, secrets masked");
  show->add_option("file", arguments->file, "configuration file");
  arguments->AddTo(*show);
  show->callback([arguments, exit_code] {
    const auto loaded = LoadConfig(*arguments);
    *exit_code = loaded ? kDone : kWrongUsage;
    if (loaded) std::fputs(config::Show(*loaded).c_str(), stdout);
  });

  CLI::App* schema = group->add_subcommand("schema", "prints every key: type, default, meaning");
  schema->callback([exit_code] {
    std::fputs(config::SchemaMarkdown().c_str(), stdout);
    *exit_code = kDone;
  });
}

}  // namespace weir::app

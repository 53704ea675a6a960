// Reads a configuration: defaults, then the file, then the environment, then --set, each over the
// one before. Everything wrong is reported at once, each with its place.
//
// Unknown keys are errors that name the nearest known one; an unknown WEIR_ variable, which may be
// somebody else's, is a warning that does. Input is bounded: a file of 1 MiB, 32
// levels, no anchors and aliases. Any thread; no state.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config/config.h"
#include "base/result.h"

namespace weir::config {

struct Sources {
  std::string file = {};  // name, for messages
  std::string yaml = {};  // its contents
  std::vector<std::pair<std::string, std::string>> environment =
      {};                              // WEIR_… only; others are ignored
  std::vector<std::string> sets = {};  // "Path.To.Key=value"
};

struct Loaded {
  Config config;
  std::vector<std::string> errors;    // "weir.yaml:3: unknown key 'Prot': did you mean 'Port'?"
  std::vector<std::string> warnings;  // unknown WEIR_ variables, keys without effect
  bool ok() const { return errors.empty(); }
};

// The file (none for an empty path), the process's environment and --set. kNotFound, kTooLarge: the
// file could not be read.
base::Result<Sources> Gather(const std::string& path, std::vector<std::string> sets);
Loaded Load(const Sources& sources);

// `weir config show`: what is in force, as YAML that Load() reads back; secrets are masked.
std::string Show(const Config& config);
// `weir config schema`: every key with its type, default and meaning, in Markdown.
std::string SchemaMarkdown();

// What differs between the running configuration and a fresh one, by key.
struct Changes {
  std::vector<std::string> reloadable;     // take effect at a reload
  std::vector<std::string> needs_restart;  // do not
  bool none() const { return reloadable.empty() && needs_restart.empty(); }
};
Changes Compare(const Config& running, const Config& fresh);
// The running configuration with the reloadable keys of `fresh`.
Config Reloaded(const Config& running, const Config& fresh);

}  // namespace weir::config

// The command line's commands. Each adds itself to the parser, and its callback sets the exit code:
// 0 done, 1 failed, 2 wrong usage (docs/configuration.md).
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace weir::io {
class FileSystem;
}

namespace weir::app {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;

// --config and --set, which most commands take.
struct ConfigArguments {
  std::string file;
  std::vector<std::string> sets;
  void AddTo(CLI::App& command);
};

// `exit_code` outlives the parser's run.
void AddServe(CLI::App& app, io::FileSystem& files, int* exit_code);
void AddSurge(CLI::App& app, int* exit_code);
void AddJournal(CLI::App& app, int* exit_code);
void AddRebuild(CLI::App& app, int* exit_code);
void AddConfig(CLI::App& app, int* exit_code);
void AddTokens(CLI::App& app, int* exit_code);
void AddGuard(CLI::App& app, int* exit_code);

}  // namespace weir::app

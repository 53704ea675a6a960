#include "tools/surge/surge.h"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <string>

#include "tools/surge/figures.h"
#include "tools/surge/options.h"
#include "tools/surge/session.h"

namespace weir::surge {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;

// A signal handler reaches nothing else.
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

class HandleInterrupt {
 public:
  HandleInterrupt() {
    interrupted.store(false);
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted.store(true); };
    action.sa_flags = SA_RESETHAND;  // a second Ctrl-C ends the program at once
    sigaction(SIGINT, &action, &before_);
  }
  ~HandleInterrupt() { sigaction(SIGINT, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

bool WriteFile(const std::string& path, const std::string& text) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (!file) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written;
}

}  // namespace

int RunSurge(int argc, const char* const* argv) {
  const Parsed parsed = ParseOptions(argc, argv);
  if (!parsed.options) return parsed.exit_status;
  const Options& options = *parsed.options;
  const HandleInterrupt handler;
  Session session(options, interrupted);
  if (const auto status = session.Run(); !status) {
    std::fprintf(stderr, "weir surge: %s\n", status.error().message.c_str());
    return kFailed;
  }
  const std::string told = Describe(options, session.figures(), session.findings());
  std::fwrite(told.data(), 1, told.size(), stdout);
  std::fflush(stdout);
  bool good = session.findings().total() == 0 && !session.figures().interrupted;
  if (!options.json.empty() &&
      !WriteFile(options.json, ToJson(options, session.figures(), session.findings()))) {
    std::fprintf(stderr, "weir surge: cannot write %s\n", options.json.c_str());
    good = false;
  }
  return good ? kDone : kFailed;
}

}  // namespace weir::surge

// Structured logs: one JSON object a line, on stderr or in files of bounded size.
//
//   log.Warn("journal.torn_tail", "the journal's last batch was torn and cut off",
//            {AtOffset(end), Bytes(torn), File(recovery.torn_file)});
//
// {"time":"2026-11-24T03:06:05.000Z","level":"warn","event":"journal.torn_tail",
//  "message":"the journal's …","offset":41,"bytes":118,"file":"…"}
//
// No patient's data: event and message are literals of the source, and the fields are those of
// log_fields.h, each of which takes a number, an offset, or a text that is the program's own.
// Bounded: of each event at most `burst` lines at once and `per_second` in the long run; what
// exceeds that is counted and told as "suppressed" with the event's next line. Lines go to a thread
// of their own through a queue of 8192 lines and 4 MiB; when the disk or the reader of stderr is
// slower than that, new lines are dropped and counted. Files rotate at file_bytes_max: weir.log
// becomes weir.1.log, that one weir.2.log, and so on.
// Threads: everything from any thread; no call waits for the output.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "observe/log_fields.h"

namespace weir::observe {

enum class Level : uint8_t { kDebug, kInfo, kWarn, kError, kOff };
std::string_view Name(Level level);
base::Result<Level> ParseLevel(std::string_view name);

struct LogOptions {
  Level level = Level::kInfo;
  std::string file = {};  // empty: stderr
  uint64_t file_bytes_max = 64u << 20;
  unsigned files_max = 5;  // with the current one
  unsigned burst = 20;     // lines of one event at once
  double per_second = 1;   // lines of one event in the long run
  // Takes the lines instead of stderr or the file: for tests. Called on the log's own thread.
  std::function<void(std::string_view line)> sink = {};
};

struct LogStats {
  uint64_t lines = 0;
  uint64_t suppressed = 0;  // by the rate limit
  uint64_t dropped = 0;     // because the output was too slow
};

class Log {
 public:
  using Fields = std::initializer_list<LogField>;

  // Errors: the file cannot be opened.
  static base::Result<std::unique_ptr<Log>> Open(const base::Clock& clock,
                                                 const LogOptions& options);
  // Writes nothing; for callers that have no log.
  static Log& None();
  ~Log();

  void Debug(Literal event, Literal message, Fields fields = {}) {
    if (Enabled(Level::kDebug)) Write(Level::kDebug, event, message, fields);
  }
  void Info(Literal event, Literal message, Fields fields = {}) {
    if (Enabled(Level::kInfo)) Write(Level::kInfo, event, message, fields);
  }
  void Warn(Literal event, Literal message, Fields fields = {}) {
    if (Enabled(Level::kWarn)) Write(Level::kWarn, event, message, fields);
  }
  void Error(Literal event, Literal message, Fields fields = {}) {
    if (Enabled(Level::kError)) Write(Level::kError, event, message, fields);
  }

  bool Enabled(Level level) const { return level >= level_.load(std::memory_order_relaxed); }
  void SetLevel(Level level) { level_.store(level, std::memory_order_relaxed); }
  // Waits until what was logged so far is written, at most two seconds.
  void Flush();
  LogStats stats() const;

 private:
  struct State;
  Log(Level level, std::unique_ptr<State> state);
  void Write(Level level, Literal event, Literal message, Fields fields);

  std::atomic<Level> level_;
  std::unique_ptr<State> state_;
};

}  // namespace weir::observe

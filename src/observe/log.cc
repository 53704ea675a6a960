#include "observe/log.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/json_writer.h"
#include "exec/bounded_queue.h"
#include "exec/thread.h"
#include "observe/log_output.h"
#include "observe/rate_limit.h"

namespace weir::observe {
namespace {

constexpr size_t kQueuedLinesMax = 8192;
constexpr size_t kQueuedBytesMax = 4u << 20;
constexpr auto kFlushPatience = std::chrono::seconds(2);

void AppendField(base::JsonWriter& json, const LogField& field) {
  json.Key(field.name);
  switch (field.type) {
    case LogField::Type::kInteger:
      json.Number(field.integer);
      return;
    case LogField::Type::kReal:
      json.Number(field.real);
      return;
    case LogField::Type::kBool:
      json.Bool(field.integer != 0);
      return;
    case LogField::Type::kText:
      json.String(field.text);
      return;
  }
}

}  // namespace

struct Log::State {
  State(const base::Clock* clock_, const LogOptions& options, std::unique_ptr<LogOutput> output_)
      : clock(clock_),
        limit(options.burst, options.per_second),
        output(std::move(output_)),
        queue({.count_max = kQueuedLinesMax, .bytes_max = kQueuedBytesMax}) {
    if (output) writer = std::thread([this] { Run(); });
  }
  ~State() {
    queue.Close();
    if (writer.joinable()) writer.join();
  }

  void Run() {
    exec::SetThreadName("log");
    while (const auto line = queue.Pop()) {
      (output->Write(*line) ? lines : dropped).fetch_add(1, std::memory_order_relaxed);
      if (queue.size() == 0) output->Flush();
      const std::lock_guard lock(mutex);
      ++written;
      progress.notify_all();
    }
    output->Flush();
  }

  const base::Clock* clock;
  RateLimit limit;
  std::unique_ptr<LogOutput> output;
  exec::BoundedQueue<std::string> queue;
  std::atomic<uint64_t> lines{0}, dropped{0};

  std::mutex mutex;
  std::condition_variable progress;
  uint64_t queued = 0;  // guarded by mutex, likewise below
  uint64_t written = 0;
  std::thread writer;
};

base::Result<std::unique_ptr<Log>> Log::Open(const base::Clock& clock, const LogOptions& options) {
  std::unique_ptr<LogOutput> output;
  if (options.sink) {
    output = FunctionOutput(options.sink);
  } else if (options.file.empty()) {
    output = DescriptorOutput(STDERR_FILENO);
  } else {
    WEIR_ASSIGN_OR_RETURN(output,
                          FileOutput(options.file, options.file_bytes_max, options.files_max));
  }
  return std::unique_ptr<Log>(
      new Log(options.level, std::make_unique<State>(&clock, options, std::move(output))));
}

Log& Log::None() {
  static Log none(Level::kOff, std::make_unique<State>(nullptr, LogOptions{}, nullptr));
  return none;
}

Log::Log(Level level, std::unique_ptr<State> state) : level_(level), state_(std::move(state)) {}
Log::~Log() = default;

void Log::Write(Level level, Literal event, Literal message, Fields fields) {
  if (!state_->output) return;
  const auto held_back = state_->limit.Take(event.view(), state_->clock->SteadyNs());
  if (!held_back) return;
  std::string line;
  line.reserve(256);
  base::JsonWriter json(line);
  json.BeginObject().Key("time").Time(state_->clock->WallMs());
  json.Key("level").String(Name(level)).Key("event").String(event.view());
  json.Key("message").String(message.view());
  for (const LogField& field : fields) AppendField(json, field);
  if (*held_back > 0) json.Key("suppressed").Number(*held_back);
  json.EndObject();
  line += '\n';
  const size_t bytes = line.size();
  const std::lock_guard lock(state_->mutex);
  if (state_->queue.TryPush(std::move(line), bytes)) {
    ++state_->queued;
  } else {
    state_->dropped.fetch_add(1, std::memory_order_relaxed);
  }
}

void Log::Flush() {
  std::unique_lock lock(state_->mutex);
  const uint64_t target = state_->queued;
  state_->progress.wait_for(lock, kFlushPatience, [&] { return state_->written >= target; });
}

LogStats Log::stats() const {
  return {.lines = state_->lines.load(std::memory_order_relaxed),
          .suppressed = state_->limit.suppressed(),
          .dropped = state_->dropped.load(std::memory_order_relaxed)};
}

std::string_view Name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warn";
    case Level::kError:
      return "error";
    case Level::kOff:
      return "off";
  }
  return "off";
}

base::Result<Level> ParseLevel(std::string_view name) {
  for (const Level level :
       {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError, Level::kOff}) {
    if (Name(level) == name) return level;
  }
  return base::Fail(base::ErrorCode::kInvalidArgument,
                    "a level is one of debug, info, warn, error, off");
}

}  // namespace weir::observe

#include "tasks/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "exec/thread.h"
#include "tasks/applier.h"
#include "tasks/backoff.h"
#include "tasks/express_lane.h"
#include "tasks/scheduler.h"
#include "tasks/window_reader.h"

namespace weir::tasks {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;

// How soon Stop() and a resumption are noticed while nothing arrives.
constexpr int kIdleWaitMs = 50;
// A lane this many windows above another one waits for it: see Order().
constexpr uint64_t kNearWindows = 2;

// How long nothing was applied before put-off work is done.
constexpr int64_t kSettleAfterNs = 300'000'000;

unsigned Cores() { return std::max(1u, std::thread::hardware_concurrency()); }

Status CheckCursors(const Applier& applier, std::span<Task* const> tasks,
                    const journal::Journal& journal) {
  for (size_t i = 0; i <= applier.task_count(); ++i) {
    const bool control = i == applier.task_count();
    const Offset cursor = control ? applier.control().cursor : applier.progress(i).cursor;
    const std::string name(control ? kControlLane : tasks[i]->name());
    if (cursor > journal.durable_end()) {
      return Fail(ErrorCode::kCorruption,
                  "the cursor of task " + name + " is " + std::to_string(cursor.value()) +
                      ", but the journal ends at " + std::to_string(journal.durable_end().value()) +
                      ": records that were applied are missing");
    }
    if (cursor < journal.begin()) {
      return Fail(ErrorCode::kNotFound, "task " + name + " needs offsets " +
                                            std::to_string(cursor.value()) + " to " +
                                            std::to_string(journal.begin().value()) +
                                            ", which the journal does not hold any more");
    }
  }
  return {};
}

class EngineImpl final : public Engine {
 public:
  EngineImpl(EngineOptions options, const journal::Journal& journal, Service& service,
             const base::Clock& clock)
      : options_(options),
        journal_(journal),
        service_(service),
        clock_(clock),
        express_backoff_(options.retry_first_ms, options.retry_max_ms),
        settle_backoff_(options.retry_first_ms, options.retry_max_ms),
        window_size_(options.window_records_max, int64_t{options.window_target_ms} * 1'000'000) {}
  ~EngineImpl() override { Stop(); }

  Status OpenStore(store::Database& database, observe::SpanQueue* spans) {
    WEIR_ASSIGN_OR_RETURN(
        applier_, Applier::Open(journal_, database, service_, instruments_, clock_, {}, spans));
    WEIR_RETURN_IF_ERROR(CheckCursors(*applier_, service_.tasks(), journal_));
    express_ = std::make_unique<ExpressLane>(journal_, *applier_, instruments_);
    const Backoff backoff(options_.retry_first_ms, options_.retry_max_ms);
    stalls_.assign(applier_->task_count(), Stall{backoff, {}});
    Publish();
    return {};
  }

  Status Start() override {
    const unsigned threads = options_.workers == 0 ? Cores() : options_.workers;
    reader_ = std::make_unique<WindowReader>(
        WindowReaderOptions{.threads = threads,
                            .nice = options_.nice,
                            .records_max = options_.queue_records_max,
                            .bytes_max = options_.queue_bytes_max,
                            .window_records_max = options_.window_records_max},
        journal_, service_, instruments_);
    committer_ = std::thread([this] { Run(); });
    return {};
  }

  void Stop() override {
    stop_.store(true);
    if (committer_.joinable()) committer_.join();
    if (reader_ != nullptr) reader_->Stop();
  }

  std::vector<TaskStatus> status() const override {
    const std::lock_guard lock(mutex_);
    std::vector<TaskStatus> status = status_;
    const Offset end = journal_.durable_end();
    for (TaskStatus& each : status) each.lag = end > each.cursor ? end - each.cursor : 0;
    return status;
  }

  EngineStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

  bool WaitApplied(Offset end, int timeout_ms) const override {
    std::unique_lock lock(mutex_);
    return progressed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] {
      return control_end_ >= end && std::ranges::all_of(status_, [&](const TaskStatus& each) {
               return each.cursor >= end;
             });
    });
  }

 private:
  struct Stall {
    Backoff backoff;
    std::string reason;
  };

  void Run() {
    exec::SetThreadName("committer");
    exec::SetThreadNice(options_.nice);
    while (!stop_.load()) {
      const Offset end = journal_.durable_end();
      StepExpress(end);
      const bool applied = ApplyNext(end);
      if (applied) last_applied_ns_ = Now();
      if (applied || express_more_ || Settle()) continue;
      Wait(end);
    }
  }

  int64_t Now() const { return clock_.SteadyNs(); }
  bool Runs(size_t task) const { return !options_.paused && !applier_->progress(task).paused; }

  // Until nothing is left of it: no window is applied before what is urgent.
  void StepExpress(Offset end) {
    express_more_ = false;
    while (!stop_.load() && express_backoff_.Due(Now())) {
      std::vector<size_t> urgent;
      const auto tasks = service_.tasks();
      for (size_t i = 0; i < tasks.size(); ++i) {
        if (tasks[i]->has_express() && Runs(i)) urgent.push_back(i);
      }
      const auto done = express_->Step(end, urgent);
      if (!done) {
        express_backoff_.Failed(Now());
        for (const size_t task : urgent) stalls_[task].reason = done.error().message;
        express_stalled_ = urgent;
        Count([](EngineStats& stats) { ++stats.commit_failures; });
        Publish();
        return;
      }
      if (express_backoff_.failing()) {
        express_backoff_.Succeeded();
        express_stalled_.clear();
        Publish();
      }
      if (done->commits > 0) {
        Count([&](EngineStats& stats) {
          stats.express_commits += done->commits;
          stats.express_records += done->records;
        });
      }
      if (done->commits > 0 || express_->control_end() != control_end_seen_) Publish();
      // What was applied may have resumed a task, whose urgent records come first as well.
      if (!done->more && done->commits == 0) return;
    }
  }

  // Applies the next window that is ready. False: there is none.
  bool ApplyNext(Offset end) {
    released_end_ = Release(std::min(end, express_->known_end()));
    const std::vector<Lane> lanes = MakeLanes(RunnableTasks(), released_end_);
    std::vector<WindowReader::LaneGoal> goals;
    for (const Lane& lane : lanes) goals.push_back({lane.cursor, lane.limit});
    reader_->SetLanes(goals);
    lanes_caught_up_ =
        std::ranges::all_of(lanes, [](const Lane& lane) { return lane.cursor >= lane.limit; });

    const uint64_t near = kNearWindows * options_.window_records_max;
    for (const size_t index : Order(lanes, turn_++, near)) {
      const Lane& lane = lanes[index];
      const auto window = reader_->Front(lane.cursor);
      if (!window) {
        reader_->Forget(lane.cursor);
        StallAll(lane.tasks, window.error());
        return true;
      }
      if (*window == nullptr) continue;
      ApplyTo(lane, **window);
      return true;
    }
    return false;
  }

  std::vector<Runnable> RunnableTasks() {
    std::vector<Runnable> runnable;
    const int64_t now = Now();
    for (size_t i = 0; i < stalls_.size(); ++i) {
      if (!Runs(i) || !stalls_[i].backoff.Due(now)) continue;
      runnable.push_back({i, applier_->progress(i).cursor});
    }
    return runnable;
  }

  // What windows may read: all of it once enough is there or the first of it has waited long
  // enough, so that a trickle is not committed record by record.
  Offset Release(Offset end) {
    if (end <= released_end_) return released_end_;
    const int64_t now = Now();
    if (linger_until_ns_ == 0) linger_until_ns_ = now + int64_t{options_.linger_ms} * 1'000'000;
    const bool enough = end - released_end_ >= window_size_.records();
    if (!enough && now < linger_until_ns_) return released_end_;
    linger_until_ns_ = 0;
    return end;
  }

  void ApplyTo(const Lane& lane, const Window& window) {
    const int64_t start = Now();
    const uint64_t commits_before = applier_->timing().commit_ns;
    size_t culprit = 0;
    const Status status = applier_->ApplyWindow(window, lane.tasks, &culprit);
    const int64_t took = Now() - start;
    const auto commit = static_cast<int64_t>(applier_->timing().commit_ns - commits_before);
    if (!status) {
      // The task at fault stalls alone; if it was the transaction, all that took part do.
      if (culprit == applier_->task_count()) {
        StallAll(lane.tasks, status.error());
      } else {
        StallAll({culprit}, status.error());
      }
      return;
    }
    const size_t records = window.block.records.size();
    for (const size_t task : lane.tasks) stalls_[task] = {FreshBackoff(), {}};
    // A slow disk makes a commit no faster for a smaller window.
    window_size_.Applied(records, took - commit);
    reader_->SetWindowRecords(window_size_.records());
    reader_->Pop(lane.cursor);
    Count([&](EngineStats& stats) {
      ++stats.windows;
      stats.records += records;
      stats.apply_ns += static_cast<uint64_t>(took);
      stats.commit_ns = applier_->timing().commit_ns;
    });
    Publish();
  }

  Backoff FreshBackoff() const { return {options_.retry_first_ms, options_.retry_max_ms}; }

  void StallAll(const std::vector<size_t>& tasks, const base::Error& error) {
    const int64_t now = Now();
    for (const size_t task : tasks) {
      stalls_[task].backoff.Failed(now);
      stalls_[task].reason = base::ToString(error);
    }
    Count([](EngineStats& stats) { ++stats.commit_failures; });
    Publish();
  }

  // A step of what tasks have put off, once nothing was to be applied for a while.
  bool Settle() {
    if (Now() - last_applied_ns_ < kSettleAfterNs || !lanes_caught_up_ || linger_until_ns_ != 0 ||
        applier_->settled() || !settle_backoff_.Due(Now())) {
      return false;
    }
    const Status status = applier_->Settle();
    // The log keeps what could not be settled: nothing is late, so nothing is stalled.
    status ? settle_backoff_.Succeeded() : settle_backoff_.Failed(Now());
    return status.has_value();
  }

  // Until something is ready, arrives, or is due again; in between the control index is looked at.
  void Wait(Offset end) {
    if (reader_->busy() || !lanes_caught_up_) {
      reader_->WaitReady(options_.express_gap_ms);
      return;
    }
    if (linger_until_ns_ != 0) {
      const int64_t left_ms = (linger_until_ns_ - Now()) / 1'000'000 + 1;
      reader_->WaitReady(
          static_cast<int>(std::clamp<int64_t>(left_ms, 1, options_.express_gap_ms)));
      return;
    }
    journal_.WaitBeyond(end, UntilRetryMs());
  }

  int UntilRetryMs() const {
    int64_t wait_ms = kIdleWaitMs;
    const auto consider = [&](const Backoff& backoff) {
      if (!backoff.failing()) return;
      const int64_t left_ms = (backoff.retry_at_ns() - Now()) / 1'000'000 + 1;
      wait_ms = std::min(wait_ms, std::max<int64_t>(left_ms, 1));
    };
    consider(express_backoff_);
    for (const Stall& stall : stalls_) consider(stall.backoff);
    return static_cast<int>(wait_ms);
  }

  template <class F>
  void Count(F&& change) {
    const std::lock_guard lock(mutex_);
    change(stats_);
  }

  void Publish() {
    const auto tasks = service_.tasks();
    const std::lock_guard lock(mutex_);
    status_.resize(tasks.size());
    for (size_t i = 0; i < tasks.size(); ++i) {
      const Progress& progress = applier_->progress(i);
      TaskStatus& status = status_[i];
      status.name = tasks[i]->name();
      status.cursor = progress.cursor;
      status.quarantined = progress.quarantined;
      status.apply_ns = applier_->timing().task_ns[i];
      const bool ahead = std::ranges::find(express_stalled_, i) != express_stalled_.end();
      const bool stalled = stalls_[i].backoff.failing() || ahead;
      status.retries = ahead ? express_backoff_.failures() : stalls_[i].backoff.failures();
      status.state = !Runs(i)  ? TaskState::kPaused
                     : stalled ? TaskState::kStalled
                               : TaskState::kRunning;
      status.reason = stalled ? stalls_[i].reason : std::string();
    }
    control_end_ = express_->control_end();
    control_end_seen_ = control_end_;
    if (reader_ != nullptr) {
      const auto held = reader_->held();
      stats_.queued_records = held.records;
      stats_.queued_bytes = held.bytes;
    }
    progressed_.notify_all();
  }

  const EngineOptions options_;
  const journal::Journal& journal_;
  Service& service_;
  const base::Clock& clock_;
  Instruments instruments_;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<ExpressLane> express_;
  std::unique_ptr<WindowReader> reader_;

  // The committer's.
  std::vector<Stall> stalls_;  // by task
  Backoff express_backoff_, settle_backoff_;
  int64_t last_applied_ns_ = 0;
  std::vector<size_t> express_stalled_;
  bool express_more_ = false;
  WindowSize window_size_;
  Offset released_end_;
  int64_t linger_until_ns_ = 0;
  bool lanes_caught_up_ = true;
  uint64_t turn_ = 0;
  Offset control_end_seen_;

  std::atomic<bool> stop_{false};
  std::thread committer_;

  mutable std::mutex mutex_;
  mutable std::condition_variable progressed_;
  std::vector<TaskStatus> status_;
  EngineStats stats_;
  Offset control_end_;
};

}  // namespace

const char* Name(TaskState state) {
  switch (state) {
    case TaskState::kRunning:
      return "running";
    case TaskState::kPaused:
      return "paused";
    case TaskState::kStalled:
      return "stalled";
  }
  return "unknown";
}

Result<std::unique_ptr<Engine>> Engine::Open(EngineOptions options, const journal::Journal& journal,
                                             store::Database& database, Service& service,
                                             const base::Clock& clock, observe::SpanQueue* spans) {
  auto engine = std::make_unique<EngineImpl>(options, journal, service, clock);
  WEIR_RETURN_IF_ERROR(engine->OpenStore(database, spans));
  return engine;
}

}  // namespace weir::tasks

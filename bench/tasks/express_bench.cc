// How long an urgent report waits from being durable to its alert being committed.
//
//   bench_express DIRECTORY [--rate N] [--seconds N] [--waiting N]
//
// Journals reports at the rate, one in a hundred of them urgent, while the engine runs; with
// `waiting`, so many reports lie before them when the engine starts. The directory is made, and
// removed.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <thread>

#include "alerts/inbox.h"
#include "bench/tasks/report_writer.h"
#include "services/epro/effects.h"
#include "services/epro/schema.h"
#include "tasks/engine.h"

namespace weir::bench {
namespace {

struct Plan {
  std::filesystem::path directory;
  uint64_t rate = 10'000, seconds = 10, waiting = 0;
};

Plan ParseArguments(int argc, char** argv) {
  Plan plan;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (!name.starts_with("--")) {
      plan.directory = name;
      continue;
    }
    WEIR_CHECK_MSG(++i < argc, "an option without a value");
    uint64_t& value = name == "--rate"      ? plan.rate
                      : name == "--seconds" ? plan.seconds
                                            : plan.waiting;
    std::from_chars(argv[i], argv[i] + std::strlen(argv[i]), value);
  }
  WEIR_CHECK_MSG(!plan.directory.empty(), "name a directory");
  return plan;
}

// When urgent reports became durable, and their alerts committed.
class Latencies {
 public:
  void Durable(const journal::Handover& batch) {
    const int64_t now = base::SystemClock().SteadyNs();
    const std::lock_guard lock(mutex_);
    for (const journal::Handover::Item& item : batch.items()) {
      if ((item.header.flags & journal::kUrgent) != 0) durable_[item.offset.value()] = now;
    }
  }
  void Committed() {
    const std::lock_guard lock(mutex_);
    committed_ns_ = base::SystemClock().SteadyNs();
    woken_.notify_one();
  }
  // Reads the new alerts after each commit, until `stop`.
  void Watch(store::Connection& reader, const std::atomic<bool>& stop) {
    store::Statement* select =
        Must(reader.Prepare("SELECT seq, report_offset FROM alert_events WHERE seq > ?"
                            " ORDER BY seq"));
    int64_t last = 0;
    while (!stop.load()) {
      int64_t at = 0;
      {
        std::unique_lock lock(mutex_);
        woken_.wait_for(lock, std::chrono::milliseconds(100), [&] { return committed_ns_ != 0; });
        at = std::exchange(committed_ns_, 0);
      }
      if (at == 0) continue;
      select->Bind(1, last);
      while (Must(select->Step())) {
        last = select->Int(0);
        const std::lock_guard lock(mutex_);
        const auto found = durable_.find(static_cast<uint64_t>(select->Int(1)));
        if (found == durable_.end()) continue;
        took_ms_.push_back(double(at - found->second) / 1e6);
        durable_.erase(found);
      }
      select->Reset();
    }
  }
  void Print() {
    std::ranges::sort(took_ms_);
    const auto quantile = [&](double q) {
      return took_ms_[size_t(q * double(took_ms_.size() - 1))];
    };
    std::printf(
        "%zu urgent alerts, %zu not yet raised; from durable to committed: p50 %.1f ms,"
        " p99 %.1f ms, longest %.1f ms\n",
        took_ms_.size(), durable_.size(), quantile(0.5), quantile(0.99), took_ms_.back());
  }

 private:
  std::mutex mutex_;
  std::condition_variable woken_;
  std::map<uint64_t, int64_t> durable_;
  std::vector<double> took_ms_;
  int64_t committed_ns_ = 0;
};

int Main(int argc, char** argv) {
  const Plan plan = ParseArguments(argc, argv);
  std::filesystem::remove_all(plan.directory);
  std::filesystem::create_directories(plan.directory);
  const auto catalog = LoadCatalog();
  const clinical::Definition* phq9 = catalog->Find("phq9");
  WEIR_CHECK(phq9 != nullptr);
  auto journal = Must(journal::Journal::Open(io::PosixFileSystem(), base::SystemClock(),
                                             {.directory = plan.directory / "journal"}));
  AppendDefinition(*journal, *phq9);
  auto store = Must(store::OpenSqlite({.path = plan.directory / "weir.db"}));
  Must(store->Migrate(epro::StoreMigrations()));
  ReportWriter before({.patients = 50'000}, *journal, *phq9, "waiting-");
  before.Write(plan.waiting);

  Latencies latencies;
  alerts::Inbox inbox{alerts::Routing(), base::SystemClock()};
  inbox.SetListener([&] { latencies.Committed(); });
  auto effects = Must(epro::MakeEffects({.master_key = std::string(32, 'k')}, *journal, inbox));
  auto engine = Must(tasks::Engine::Open({}, *journal, *store, *effects, base::SystemClock()));
  auto reader = Must(store->OpenReader());
  std::atomic<bool> stop{false};
  std::thread watcher([&] { latencies.Watch(*reader, stop); });
  Must(engine->Start());

  ReportWriter writer({.patients = 50'000, .urgent = 0.01}, *journal, *phq9, "report-");
  writer.sink().on_durable = [&](const journal::Handover& batch) { latencies.Durable(batch); };
  const auto start = std::chrono::steady_clock::now();
  constexpr uint64_t kTicks = 200;  // a second
  for (uint64_t tick = 0; tick < plan.seconds * kTicks; ++tick) {
    std::this_thread::sleep_until(start + std::chrono::microseconds(tick * 1'000'000 / kTicks));
    writer.Write(plan.rate / kTicks);
  }
  uint64_t lag = 0;
  for (const tasks::TaskStatus& task : engine->status()) lag = std::max(lag, task.lag);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  stop = true;
  watcher.join();
  const tasks::EngineStats stats = engine->stats();
  engine->Stop();
  latencies.Print();
  std::printf("%lu reports still waited at the end; %lu windows, %lu express commits\n", lag,
              stats.windows, stats.express_commits);
  engine.reset();
  reader.reset();
  store.reset();
  Must(journal->Stop());
  std::filesystem::remove_all(plan.directory);
  return 0;
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) { return weir::bench::Main(argc, argv); }

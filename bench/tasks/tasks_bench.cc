// How many PHQ-9 reports all six tasks apply in a second of one core, on a store of some size.
//
//   bench_tasks DIRECTORY [--stored N] [--reports N] [--patients N] [--sites N] [--alerts SHARE]
//                         [--quick]
//
// Journals `stored` reports and applies them, then journals `reports` more and measures how long the
// engine takes for those, with the whole process on one core. The directory is made, and removed.
#include <sched.h>
#include <sys/resource.h>

#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "alerts/inbox.h"
#include "base/check.h"
#include "clinical/definition.h"
#include "io/posix_file_system.h"
#include "journal/journal.h"
#include "services/epro/effects.h"
#include "services/epro/schema.h"
#include "tasks/engine.h"
#include "wire/envelope.h"

namespace weir::bench {
namespace {

using base::Offset;

struct Plan {
  std::filesystem::path directory;
  uint64_t stored = 200'000;
  uint64_t reports = 200'000;
  uint64_t patients = 0;  // 0: one for each report
  uint64_t sites = 100;
  double alerts = 0.05;   // share that is elevated or urgent
};

template <class T>
T Must(base::Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", base::ToString(result.error()).c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

uint64_t NumberArgument(const char* text) {
  uint64_t value = 0;
  const char* end = text + std::strlen(text);
  WEIR_CHECK_MSG(std::from_chars(text, end, value).ptr == end, text);
  return value;
}

Plan ParseArguments(int argc, char** argv) {
  Plan plan;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--quick") {
      plan.stored = plan.reports = 20'000;
    } else if (!name.starts_with("--")) {
      plan.directory = name;
    } else {
      WEIR_CHECK_MSG(++i < argc, "an option without a value");
      if (name == "--stored") plan.stored = NumberArgument(argv[i]);
      else if (name == "--reports") plan.reports = NumberArgument(argv[i]);
      else if (name == "--patients") plan.patients = NumberArgument(argv[i]);
      else if (name == "--sites") plan.sites = NumberArgument(argv[i]);
      else if (name == "--alerts") plan.alerts = std::atof(argv[i]);
      else WEIR_CHECK_MSG(false, name);
    }
  }
  WEIR_CHECK_MSG(!plan.directory.empty(), "name a directory");
  if (plan.patients == 0) plan.patients = plan.stored + plan.reports;
  return plan;
}

// Takes batches back, so that the producer may go on.
class Sink final : public journal::HandoverSink {
 public:
  void Completed(std::unique_ptr<journal::Handover> batch, bool) noexcept override {
    const std::lock_guard lock(mutex_);
    batch->Clear();
    free_.push_back(std::move(batch));
    returned_.notify_one();
  }
  std::unique_ptr<journal::Handover> Take() {
    std::unique_lock lock(mutex_);
    if (made_ < kBatches) {
      ++made_;
      return std::make_unique<journal::Handover>(this);
    }
    returned_.wait(lock, [this] { return !free_.empty(); });
    auto batch = std::move(free_.back());
    free_.pop_back();
    return batch;
  }
  void WaitAll() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [this] { return free_.size() == made_; });
  }

 private:
  static constexpr size_t kBatches = 8;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<journal::Handover>> free_;
  size_t made_ = 0;
};

class Writer {
 public:
  Writer(const Plan& plan, journal::Journal& journal, const clinical::Definition& definition)
      : plan_(plan), journal_(journal), definition_(definition) {}

  void Write(uint64_t count) {
    auto batch = sink_.Take();
    for (uint64_t i = 0; i < count; ++i) {
      Add(*batch);
      if (batch->items().size() == 256) {
        Submit(std::move(batch));
        batch = sink_.Take();
      }
    }
    Submit(std::move(batch));
    sink_.WaitAll();
  }

 private:
  void Submit(std::unique_ptr<journal::Handover> batch) {
    while (!journal_.Submit(batch)) journal_.WaitBeyond(journal_.durable_end(), 100);
  }

  void Add(journal::Handover& batch) {
    static constexpr const char* kItems[] = {"44250-9", "44255-8", "44259-0", "44254-1", "44251-7",
                                             "44258-2", "44252-5", "44253-3", "44260-8"};
    static constexpr const char* kCodes[] = {"LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"};
    const uint64_t number = written_++;
    const std::string report = "report-" + std::to_string(number);
    const std::string patient = "patient-" + std::to_string(random_() % plan_.patients);
    const std::string site = "site-" + std::to_string(random_() % plan_.sites);
    const bool alert = double(random_() % 10'000) < plan_.alerts * 10'000;
    std::string body = R"({"study_id":"study-1","report_id":")" + report + R"(","patient_id":")" +
                       patient + R"(","site_id":")" + site +
                       R"(","instrument":"phq9","authored_at":"2026-11-24T03:00:00Z","data":{)";
    for (int i = 0; i < 9; ++i) {
      const uint64_t score = i == 8 ? 0 : alert ? 1 + random_() % 2 : random_() % 4 == 0;
      body += (i > 0 ? ",\"" : "\"") + std::string(kItems[i]) + "\":\"" + kCodes[score] + '"';
    }
    body += "}}";

    wire::ReportHead head;
    head.study_id = "study-1";
    head.report_id = report;
    head.patient_id = patient;
    head.site_id = site;
    head.instrument = "phq9";
    head.definition_hash = definition_.hash().view();
    head.authored_ms = 1'795'489'200'000;
    head_.clear();
    wire::AppendTo(head_, head);
    journal::RecordHeader header;
    header.kind = static_cast<uint16_t>(wire::Kind::kReport);
    header.time_ms = 1'795'489'260'000 + static_cast<int64_t>(number / 10);
    header.key = wire::ReportKey(head.study_id, report);
    header.sha256 = base::Sha256(body);
    batch.Add(header, head_, body, Must(journal_.ProbeDisk(header.key)), 0);
  }

  const Plan& plan_;
  journal::Journal& journal_;
  const clinical::Definition& definition_;
  Sink sink_;
  std::mt19937_64 random_{1};
  uint64_t written_ = 0;
  std::string head_;
};

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double RssMib() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  statm >> size >> resident;
  return double(resident) * 4096 / (1 << 20);
}

void UseOneCore() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  WEIR_CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
}

struct Run {
  double seconds, cpu;
};

Run ApplyAll(const journal::Journal& journal, store::Database& store, bool print) {
  alerts::Inbox inbox{alerts::Routing(), base::SystemClock()};
  auto effects = Must(
      epro::MakeEffects({.master_key = std::string(32, 'k')}, journal, inbox));
  auto engine =
      Must(tasks::Engine::Open({.nice = 0}, journal, store, *effects, base::SystemClock()));
  const double cpu = CpuSeconds();
  const int64_t start = base::SystemClock().SteadyNs();
  Must(engine->Start());
  while (!engine->WaitApplied(journal.durable_end(), 60'000)) {}
  const Run run{double(base::SystemClock().SteadyNs() - start) / 1e9, CpuSeconds() - cpu};
  if (!print) return run;
  const tasks::EngineStats stats = engine->stats();
  std::printf("windows: %.0f records each, %.1f ms; committer %.2f s, of which commits %.2f s\n",
              double(stats.records) / double(stats.windows),
              double(stats.apply_ns) / 1e6 / double(stats.windows), double(stats.apply_ns) / 1e9,
              double(stats.commit_ns) / 1e9);
  for (const tasks::TaskStatus& task : engine->status()) {
    std::printf("  %-10s %5.2f us per report, %4.1f %% of the committer\n", task.name.c_str(),
                double(task.apply_ns) / 1e3 / double(stats.records),
                100.0 * double(task.apply_ns) / double(stats.apply_ns));
  }
  return run;
}

int Main(int argc, char** argv) {
  const Plan plan = ParseArguments(argc, argv);
  std::filesystem::remove_all(plan.directory);
  std::filesystem::create_directories(plan.directory);
  const auto catalog = Must(clinical::Catalog::Load("config/instruments"));
  const clinical::Definition* phq9 = catalog->Find("phq9");
  WEIR_CHECK(phq9 != nullptr);
  auto journal = Must(journal::Journal::Open(io::PosixFileSystem(), base::SystemClock(),
                                             {.directory = plan.directory / "journal"}));
  journal::RecordHeader header;
  header.kind = static_cast<uint16_t>(wire::Kind::kDefinition);
  header.flags = journal::kControl;
  header.key = wire::DefinitionKey(phq9->hash());
  const std::string packed = phq9->Pack();
  header.sha256 = base::Sha256(packed);
  journal->AppendAndWait(header, "", packed);

  auto store = Must(store::OpenSqlite({.path = plan.directory / "weir.db"}));
  Must(store->Migrate(epro::StoreMigrations()));
  Writer writer(plan, *journal, *phq9);
  writer.Write(plan.stored);
  const Run filled = ApplyAll(*journal, *store, false);
  std::printf("stored %lu reports: %.0f/s, %.1f us of CPU each\n", plan.stored,
              double(plan.stored) / filled.seconds, filled.cpu * 1e6 / double(plan.stored));
  writer.Write(plan.reports);

  UseOneCore();  // of this thread, and so of those that the engine makes
  const Run run = ApplyAll(*journal, *store, true);
  std::printf("applied %lu reports by all six tasks on one core: %.0f/s, %.1f us of CPU each\n",
              plan.reports, double(plan.reports) / run.seconds,
              run.cpu * 1e6 / double(plan.reports));
  std::printf("resident: %.0f MiB; store: %.0f bytes per report\n", RssMib(),
              double(std::filesystem::file_size(plan.directory / "weir.db")) /
                  double(plan.stored + plan.reports));
  store.reset();
  Must(journal->Stop());
  std::filesystem::remove_all(plan.directory);
  return 0;
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) { return weir::bench::Main(argc, argv); }

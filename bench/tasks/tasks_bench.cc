// How many PHQ-9 reports all six tasks apply in a second of one core, on a store of some size.
//
//   bench_tasks DIRECTORY [--stored N] [--reports N] [--patients N] [--sites N] [--elevated SHARE]
//                         [--quick]
//
// Journals `stored` reports and applies them, then journals `reports` more and measures how long
// the engine takes for those, with the whole process on one core. The directory is made, and
// removed.
#include <sched.h>
#include <sys/resource.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "alerts/inbox.h"
#include "bench/tasks/report_writer.h"
#include "services/epro/effects.h"
#include "services/epro/schema.h"
#include "tasks/engine.h"

namespace weir::bench {
namespace {

struct Plan {
  std::filesystem::path directory;
  uint64_t stored = 200'000;
  uint64_t reports = 200'000;
  uint64_t patients = 0;  // 0: one for each report
  uint64_t sites = 100;
  double elevated = 0.05;  // share of the reports
};

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
      if (name == "--stored")
        plan.stored = NumberArgument(argv[i]);
      else if (name == "--reports")
        plan.reports = NumberArgument(argv[i]);
      else if (name == "--patients")
        plan.patients = NumberArgument(argv[i]);
      else if (name == "--sites")
        plan.sites = NumberArgument(argv[i]);
      else if (name == "--elevated")
        plan.elevated = std::atof(argv[i]);
      else
        WEIR_CHECK_MSG(false, name);
    }
  }
  WEIR_CHECK_MSG(!plan.directory.empty(), "name a directory");
  if (plan.patients == 0) plan.patients = plan.stored + plan.reports;
  return plan;
}

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
  auto effects = Must(epro::MakeEffects({.master_key = std::string(32, 'k')}, journal, inbox));
  auto engine =
      Must(tasks::Engine::Open({.nice = 0}, journal, store, *effects, base::SystemClock()));
  const double cpu = CpuSeconds();
  const int64_t start = base::SystemClock().SteadyNs();
  Must(engine->Start());
  while (!engine->WaitApplied(journal.durable_end(), 60'000)) {
  }
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
  const auto catalog = LoadCatalog();
  const clinical::Definition* phq9 = catalog->Find("phq9");
  WEIR_CHECK(phq9 != nullptr);
  auto journal = Must(journal::Journal::Open(io::PosixFileSystem(), base::SystemClock(),
                                             {.directory = plan.directory / "journal"}));
  AppendDefinition(*journal, *phq9);
  auto store = Must(store::OpenSqlite({.path = plan.directory / "weir.db"}));
  Must(store->Migrate(epro::StoreMigrations()));
  ReportWriter writer({.patients = plan.patients, .sites = plan.sites, .elevated = plan.elevated},
                      *journal, *phq9);
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

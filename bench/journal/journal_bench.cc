// CPU per 600-byte record through the whole journal: submitted in handovers of 32, deduplicated,
// written in groups as they form, synced, completed. Prints one line per setting:
//
//   bench_journal DIRECTORY [RECORDS]
//
// "cpu" is the process's time, the kernel's work in its name included, less what preparing the
// records took; "thread" is the journal thread's share as seen from the outside: with one producer
// that only waits, nearly all of it.
#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "io/posix_file_system.h"
#include "journal/journal.h"

namespace weir::journal {
namespace {

double CpuSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}
double WallSeconds() { return static_cast<double>(base::SystemClock().SteadyNs()) * 1e-9; }

// PHQ-9 answers as an app sends them, about 600 bytes; ids and answers differ.
std::string MakeBody(uint64_t number, std::mt19937_64& random) {
  static constexpr const char* kItems[] = {"44250-9", "44255-8", "44259-0", "44254-1", "44251-7",
                                           "44258-2", "44252-5", "44253-3", "44260-8", "69722-7"};
  static constexpr const char* kAnswers[] = {"LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"};
  std::string body = "{\"report_id\":\"" + std::to_string(random()) +
                     "\",\"patient_id\":\"patient-" + std::to_string(random() % 50'000) +
                     "\",\"study_id\":\"TRIAL-2026-017\",\"site_id\":\"site-" +
                     std::to_string(random() % 40) +
                     "\",\"instrument\":\"phq9\",\"authored_at\":\"2026-11-24T03:" +
                     std::to_string(10 + number % 50) + ":05.000Z\",\"data\":{";
  for (const char* item : kItems) {
    body += std::string("\"/") + item + "\":{\"code\":\"" + kAnswers[random() % 4] + "\"},";
  }
  body += "\"note\":\"";
  while (body.size() < 590) body += static_cast<char>('a' + random() % 26);
  return body + "\"}}";
}

class Sink final : public HandoverSink {
 public:
  void Completed(std::unique_ptr<Handover> batch, bool last) noexcept override {
    const std::lock_guard lock(mutex_);
    done_.push_back(std::move(batch));
    if (last) changed_.notify_one();
  }
  void Await(std::vector<std::unique_ptr<Handover>>* done) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !done_.empty(); });
    done->swap(done_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Handover>> done_;
};

void Measure(const std::string& directory, uint64_t records, size_t in_flight, bool compress) {
  constexpr size_t kPerHandover = 32;
  std::filesystem::remove_all(directory);
  Options options;
  options.directory = directory;
  options.compress = compress;
  auto opened = Journal::Open(io::PosixFileSystem(), base::SystemClock(), options);
  if (!opened) {
    std::fprintf(stderr, "%s\n", base::ToString(opened.error()).c_str());
    std::exit(1);
  }
  Journal& journal = **opened;
  std::mt19937_64 random(1);
  std::vector<std::string> bodies;
  std::vector<RecordHeader> headers(4096);
  for (RecordHeader& header : headers) {
    bodies.push_back(MakeBody(bodies.size(), random));
    header.kind = 1;
    header.sha256 = base::Sha256(bodies.back());
  }
  const std::string head =
      "TRIAL-2026-017/12345678901234567890/patient-12345/site-12/dr-3/phq9" + std::string(40, 'd');
  Sink sink;
  std::vector<std::unique_ptr<Handover>> free;
  for (size_t i = 0; i < in_flight / kPerHandover; ++i) {
    free.push_back(std::make_unique<Handover>(&sink));
  }
  uint64_t sent = 0;
  uint64_t done = 0;
  double preparing = 0;
  const double wall = WallSeconds();
  const double cpu = CpuSeconds();
  std::vector<std::unique_ptr<Handover>> back;
  while (done < records) {
    timespec before;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    for (; !free.empty() && sent < records; free.pop_back()) {
      std::unique_ptr<Handover> batch = std::move(free.back());
      batch->Clear();
      for (size_t i = 0; i < kPerHandover; ++i, ++sent) {
        RecordHeader& header = headers[sent % headers.size()];
        base::PutInt(reinterpret_cast<char*>(header.key.bytes.data()), sent * 0x9e3779b97f4a7c15u);
        header.key.bytes[15] = 1;
        auto probe = journal.ProbeMemory(header.key);
        if (!probe) probe = journal.ProbeDisk(header.key).value();
        batch->Add(header, head, bodies[sent % bodies.size()], std::move(*probe), sent);
      }
      if (!journal.Submit(batch)) std::abort();
    }
    sink.Await(&back);
    for (auto& batch : back) {
      for (const Handover::Item& item : batch->items()) {
        if (item.outcome != Outcome::kStored) std::abort();
      }
      done += batch->items().size();
      free.push_back(std::move(batch));
    }
    back.clear();
    timespec after;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    preparing += static_cast<double>(after.tv_sec - before.tv_sec) +
                 static_cast<double>(after.tv_nsec - before.tv_nsec) * 1e-9;
  }
  const double wall_spent = WallSeconds() - wall;
  const double cpu_spent = CpuSeconds() - cpu;
  const Stats stats = journal.stats();
  const auto n = static_cast<double>(records);
  std::printf(
      "%-9s in flight %5zu: %7.0f records/s, cpu %.2f us/record (producer %.2f, journal "
      "%.2f), %5.0f records/sync, sync %.0f us, %.0f bytes/record\n",
      compress ? "zstd" : "plain", in_flight, n / wall_spent, cpu_spent / n * 1e6,
      preparing / n * 1e6, (cpu_spent - preparing) / n * 1e6, n / static_cast<double>(stats.syncs),
      static_cast<double>(stats.sync_ns_total) / static_cast<double>(stats.syncs) / 1e3,
      static_cast<double>(stats.bytes_written) / n);
  (void)journal.Stop();
  opened->reset();
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace weir::journal

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_journal DIRECTORY [RECORDS]\n");
    return 2;
  }
  const std::string directory = std::string(argv[1]) + "/bench-journal";
  const uint64_t records = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  for (const size_t in_flight : {256, 512, 2048}) {
    for (const bool compress : {false, true}) {
      weir::journal::Measure(directory, records / 32 * 32, in_flight, compress);
    }
  }
  return 0;
}

// The dedupe index by itself: nanoseconds of processor time per probe and admission, bytes of
// memory and disk per key, and the time until it is ready again.
//
//   bench_key_index [KEYS [DIRECTORY]]     5,000,000 keys in a new directory below the current one
//
// One thread plays a loop and the journal's thread in turn; flushes and merges run beside it.
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/sha256.h"
#include "io/posix_file_system.h"
#include "journal/key_index.h"

namespace weir::journal {
namespace {

constexpr size_t kBatch = 256;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of this thread: what others do to the processor meanwhile is not the index's.
double ThreadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// As uniform as a SHA-256 and cheaper, so that the index is what is measured.
uint64_t Mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}
Key KeyOf(uint64_t number) {
  Key key;
  base::PutInt(reinterpret_cast<char*>(key.bytes.data()), Mix(2 * number));
  base::PutInt(reinterpret_cast<char*>(key.bytes.data()) + 8, Mix(2 * number + 1));
  return key;
}
Digest BodyOf(uint64_t number) {
  Digest digest;
  base::PutInt(reinterpret_cast<char*>(digest.bytes.data()), number);
  return digest;
}

double ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0;
  uint64_t resident = 0;
  file >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "bench_key_index: %s\n", what.c_str());
  std::exit(1);
}

struct Totals {
  double probe = 0;
  double admit = 0;
  double durable_max = 0;
  uint64_t disk_probes = 0;
};

Totals Fill(KeyIndex& index, uint64_t begin, uint64_t end) {
  Totals totals;
  std::vector<Key> keys(kBatch);
  std::vector<Probe> probes(kBatch);
  while (begin < end) {
    const size_t size = std::min<uint64_t>(kBatch, end - begin);
    for (size_t i = 0; i < size; ++i) keys[i] = KeyOf(begin + i);
    const double started = ThreadSeconds();
    for (size_t i = 0; i < size; ++i) {
      auto probe = index.ProbeMemory(keys[i]);
      if (!probe) {
        ++totals.disk_probes;
        probe = index.ProbeDisk(keys[i]).value();
      }
      probes[i] = std::move(*probe);
    }
    const double probed = ThreadSeconds();
    for (size_t i = 0; i < size; ++i) {
      const auto admitted = index.Admit(keys[i], BodyOf(begin + i), probes[i], Offset(begin + i));
      if (admitted.verdict != Verdict::kAppend) Die("a new key was not admitted");
    }
    totals.admit += ThreadSeconds() - probed;
    totals.probe += probed - started;
    begin += size;
    const double admitted = Now();
    index.Durable(Offset(begin), BodyOf(begin));
    totals.durable_max = std::max(totals.durable_max, Now() - admitted);
  }
  return totals;
}

void Settle(const KeyIndex& index) {
  while (index.stats().busy) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

void PrintStats(const KeyIndex& index, uint64_t keys, double resident_growth) {
  const auto stats = index.stats();
  const auto in_runs = static_cast<double>(std::max<uint64_t>(stats.entries_in_runs, 1));
  std::printf("runs                  %8llu  (%llu flushes, %llu merges)\n",
              static_cast<unsigned long long>(stats.runs),
              static_cast<unsigned long long>(stats.flushes),
              static_cast<unsigned long long>(stats.merges));
  std::printf("memory per key in run %8.3f bytes\n",
              static_cast<double>(stats.runs_memory_bytes) / in_runs);
  std::printf("recent tables         %8.1f MiB, constant\n",
              static_cast<double>(stats.tables_memory_bytes) / (1 << 20));
  std::printf("growth of RSS         %8.3f bytes a key\n",
              resident_growth / static_cast<double>(keys));
  std::printf("disk per key in run   %8.1f bytes (%.1f written, merging included)\n",
              static_cast<double>(stats.disk_bytes) / in_runs,
              static_cast<double>(stats.bytes_written) / in_runs);
}

// Nanoseconds of processor time per call of `call(number)`, over `count` numbers.
template <class Call>
double Each(uint64_t count, Call call) {
  const double started = ThreadSeconds();
  for (uint64_t i = 0; i < count; ++i) call(i);
  return (ThreadSeconds() - started) * 1e9 / static_cast<double>(count);
}

void MeasureLookups(KeyIndex& index, uint64_t keys) {
  constexpr uint64_t kLookups = 1'000'000;
  std::vector<Key> fresh(kLookups);
  std::vector<Key> known(kLookups);
  for (uint64_t i = 0; i < kLookups; ++i) {
    fresh[i] = KeyOf(keys + i);
    known[i] = KeyOf(Mix(i) % keys);
  }
  uint64_t maybe = 0;
  uint64_t missed = 0;
  const double fresh_ns =
      Each(kLookups, [&](uint64_t i) { maybe += index.ProbeMemory(fresh[i]) ? 0 : 1; });
  const double known_ns = Each(
      100'000, [&](uint64_t i) { missed += index.Find(known[i]).value().size() == 1 ? 0 : 1; });
  const Probe newest = index.ProbeMemory(Key{}).value();
  const double repeat_ns = Each(kLookups, [&](uint64_t i) {
    const uint64_t number = keys - 1 - Mix(i) % 1000;
    missed += index.Admit(KeyOf(number), BodyOf(number), newest, Offset(keys)).verdict ==
                      Verdict::kDuplicate
                  ? 0
                  : 1;
  });
  if (missed > 0) Die("a stored key was not found");
  std::printf("ProbeMemory, new key  %8.0f ns, %.2f %% go to the disk\n", fresh_ns,
              100.0 * static_cast<double>(maybe) / kLookups);
  std::printf("Admit, repeated key   %8.0f ns\n", repeat_ns);
  std::printf("Find, any stored key  %8.0f ns\n", known_ns);
}

void Run(uint64_t keys, const std::string& directory) {
  KeyIndexOptions options;
  options.directory = directory;
  options.hash_seed = 7;
  auto index = KeyIndex::Open(io::PosixFileSystem(), options);
  if (!index) Die(base::ToString(index.error()));
  const double resident = ResidentBytes();
  const double started = Now();
  const Totals totals = Fill(**index, 0, keys);
  const double seconds = Now() - started;
  const auto count = static_cast<double>(keys);
  std::printf("keys                  %8llu, %.0f thousand/s probed and admitted\n",
              static_cast<unsigned long long>(keys), count / seconds / 1e3);
  std::printf("probe while filling   %8.0f ns (%.2f %% went to the disk)\n",
              totals.probe * 1e9 / count, 100.0 * static_cast<double>(totals.disk_probes) / count);
  std::printf("admit while filling   %8.0f ns; longest Durable() %.1f ms\n",
              totals.admit * 1e9 / count, totals.durable_max * 1e3);
  const double filled = ResidentBytes() - resident;
  const double settling = Now();
  Settle(**index);
  std::printf(
      "merging caught up     %8.1f s after the last key; growth of RSS until then %.3f "
      "bytes a key\n",
      Now() - settling, filled / count);
  PrintStats(**index, keys, ResidentBytes() - resident);
  MeasureLookups(**index, keys);
  index->reset();  // as a crash would

  const double reopened = Now();
  index = KeyIndex::Open(io::PosixFileSystem(), options);
  if (!index) Die(base::ToString(index.error()));
  const double opened = Now();
  const uint64_t covered = (*index)->covered().end.value();
  for (uint64_t i = covered; i < keys; ++i) {
    RecordView record;
    record.key = KeyOf(i);
    record.sha256 = BodyOf(i);
    record.offset = Offset(i);
    if (auto status = (*index)->Replay(record); !status) Die(base::ToString(status.error()));
    if ((i + 1) % kBatch == 0) (*index)->Durable(Offset(i + 1), BodyOf(i + 1));
  }
  std::printf("ready after a crash   %8.0f ms: runs opened in %.0f ms, %llu keys replayed\n",
              (Now() - reopened) * 1e3, (opened - reopened) * 1e3,
              static_cast<unsigned long long>(keys - covered));
}

}  // namespace
}  // namespace weir::journal

int main(int argc, char** argv) {
  const uint64_t keys = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 5'000'000;
  if (keys == 0) {
    std::fprintf(stderr, "usage: bench_key_index [KEYS [DIRECTORY]]\n");
    return 2;
  }
  std::string directory = argc > 2 ? argv[2] : "key-index-XXXXXX";
  if (argc <= 2 && mkdtemp(directory.data()) == nullptr) {
    std::perror("bench_key_index");
    return 1;
  }
  weir::journal::Run(keys, directory);
  if (argc <= 2) std::filesystem::remove_all(directory);
}

// The dedupe index while loops probe, the journal's thread admits, a background thread flushes and
// merges, and readers look keys up: nothing is missed at any interleaving.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "journal/key_index.h"
#include "testing/disk/faulty_file_system.h"
#include "testing/key_index/keyed_journal.h"

namespace weir::journal {
namespace {

using testing::DigestOf;
using testing::KeyOf;

constexpr int kProducers = 3;
constexpr uint64_t kKeys = 3000;
constexpr uint64_t kReportsOfEach = 20'000;

struct Submitted {
  uint64_t key;
  uint64_t body;
  Probe probe;
};

// Producers' reports, each with the probe that was made before it was handed over.
class Queue {
 public:
  void Push(Submitted report) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return reports_.size() < 256; });
    reports_.push_back(std::move(report));
    changed_.notify_all();
  }
  void ProducerEnds() {
    const std::lock_guard lock(mutex_);
    ++ended_;
    changed_.notify_all();
  }
  // Empty: all producers have ended.
  std::vector<Submitted> Take(size_t max) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !reports_.empty() || ended_ == kProducers; });
    std::vector<Submitted> taken;
    for (; taken.size() < max && !reports_.empty(); reports_.pop_front()) {
      taken.push_back(std::move(reports_.front()));
    }
    changed_.notify_all();
    return taken;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Submitted> reports_;
  int ended_ = 0;
};

Probe Look(const KeyIndex& index, const Key& key) {
  if (auto probe = index.ProbeMemory(key)) return *probe;
  auto probe = index.ProbeDisk(key);
  EXPECT_TRUE(probe);
  return *probe;
}

// Probes grow old by random amounts before they are handed over, some past a flush.
void Produce(const KeyIndex& index, Queue& queue, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::deque<Submitted> held;
  const auto hand_over = [&] {
    queue.Push(std::move(held.front()));
    held.pop_front();
  };
  for (uint64_t i = 0; i < kReportsOfEach; ++i) {
    const uint64_t key = random() % kKeys;
    held.push_back({key, random() % 4, Look(index, KeyOf(key))});
    const uint64_t keep = random() % 64 == 0 ? 64 : random() % 8;
    while (held.size() > keep) hand_over();
  }
  while (!held.empty()) hand_over();
  queue.ProducerEnds();
}

TEST(KeyIndexConcurrency, MissesNothingWhateverTheInterleaving) {
  testing::FaultyFileSystem files(1);
  KeyIndexOptions options;
  options.directory = "/index";
  options.recent_keys_max = 64;
  options.batch_records_max = 16;
  options.slice_entries_max = 40;
  options.merge_bytes_per_second_max = 0;
  options.conflicts_per_key_max = 2;
  auto opened = KeyIndex::Open(files, options);
  ASSERT_TRUE(opened);
  KeyIndex& index = **opened;

  Queue queue;
  std::vector<std::thread> threads;
  for (int i = 0; i < kProducers; ++i) {
    threads.emplace_back([&, i] { Produce(index, queue, static_cast<uint64_t>(i)); });
  }
  // By key: how many bodies are durable. A reader must find at least as many.
  std::vector<std::atomic<uint32_t>> durable(kKeys);
  std::atomic<bool> done{false};
  threads.emplace_back([&] {
    std::mt19937_64 random(99);
    while (!done) {
      const uint64_t key = random() % kKeys;
      const uint32_t at_least = durable[key].load();
      const auto found = index.Find(KeyOf(key));
      ASSERT_TRUE(found);
      ASSERT_GE(found->size(), at_least);
      ASSERT_LE(found->size(), 3u);
      for (size_t i = 0; i < found->size(); ++i) ASSERT_EQ((*found)[i].conflicting, i > 0);
    }
  });

  std::map<uint64_t, std::vector<std::pair<uint64_t, Offset>>> model;  // bodies by key
  Offset next;
  uint64_t probed_again = 0;
  for (;;) {
    const auto batch = queue.Take(16);
    if (batch.empty()) break;
    std::vector<uint64_t> appended;
    for (const Submitted& report : batch) {
      const Key key = KeyOf(report.key);
      Probe probe = report.probe;
      Admitted admitted = index.Admit(key, DigestOf(report.body), probe, next);
      for (; admitted.verdict == Verdict::kProbeAgain; ++probed_again) {
        admitted = index.Admit(key, DigestOf(report.body), Look(index, key), next);
      }
      auto& bodies = model[report.key];
      const auto known = std::find_if(bodies.begin(), bodies.end(),
                                      [&](const auto& body) { return body.first == report.body; });
      Admitted expected{bodies.empty() ? Verdict::kAppend : Verdict::kAppendConflicting, next};
      if (known != bodies.end()) {
        expected = {known == bodies.begin() ? Verdict::kDuplicate : Verdict::kRepeatedConflict,
                    known->second};
      } else if (bodies.size() > 2) {
        expected = {Verdict::kConflictLimit, bodies.front().second};
      }
      ASSERT_EQ(admitted.verdict, expected.verdict);
      ASSERT_EQ(admitted.offset, expected.offset);
      if (admitted.offset != next) continue;
      bodies.emplace_back(report.body, next);
      appended.push_back(report.key);
      ++next;
    }
    index.Durable(next, DigestOf(next.value()));
    for (const uint64_t key : appended) ++durable[key];
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  const auto stats = index.stats();
  EXPECT_GT(stats.flushes, 100u);
  EXPECT_GT(stats.merges, 20u);
  EXPECT_GT(probed_again, 0u);
  for (const auto& [key, bodies] : model) EXPECT_EQ(index.Find(KeyOf(key))->size(), bodies.size());
}

}  // namespace
}  // namespace weir::journal

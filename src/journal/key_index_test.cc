#include "journal/key_index.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "io/posix_file_system.h"
#include "testing/disk/faulty_file_system.h"
#include "testing/key_index/keyed_journal.h"

namespace weir::journal {
namespace {

using testing::DigestOf;
using testing::KeyedJournal;
using testing::KeyedReport;
using testing::KeyOf;

class KeyIndexTest : public ::testing::Test {
 protected:
  // Tables of 32 keys: a thousand records are thirty runs before merging.
  static KeyIndexOptions SmallTables() {
    KeyIndexOptions options;
    options.directory = "/index";
    options.recent_keys_max = 64;
    options.batch_records_max = 32;
    options.tail_kept_at_stop_max = 16;
    options.hash_seed = 42;
    options.slice_entries_max = 50;
    options.merge_bytes_per_second_max = 0;
    options.retry_ms = 1;
    return options;
  }
  static std::vector<KeyedReport> Unique(uint64_t begin, uint64_t end) {
    std::vector<KeyedReport> reports;
    for (uint64_t i = begin; i < end; ++i) reports.push_back({KeyOf(i), DigestOf(i)});
    return reports;
  }
  // In batches of 16.
  static void SubmitUnique(KeyedJournal& journal, uint64_t begin, uint64_t end) {
    for (; begin < end; begin += 16) journal.Submit(Unique(begin, std::min(end, begin + 16)));
  }

  testing::FaultyFileSystem files_{1};
};

TEST_F(KeyIndexTest, TellsNewRepeatedAndConflictingReportsApart) {
  KeyedJournal journal(files_, SmallTables());
  ASSERT_TRUE(journal.Open());
  const auto first = journal.Submit({{KeyOf(1), DigestOf(1)},
                                     {KeyOf(1), DigestOf(1)},
                                     {KeyOf(1), DigestOf(2)},
                                     {KeyOf(1), DigestOf(2)}});
  EXPECT_EQ(first[0].verdict, Verdict::kAppend);
  EXPECT_EQ(first[1].verdict, Verdict::kDuplicate);
  EXPECT_EQ(first[1].offset, Offset(0));
  EXPECT_EQ(first[2].verdict, Verdict::kAppendConflicting);
  EXPECT_EQ(first[3].verdict, Verdict::kRepeatedConflict);
  EXPECT_EQ(first[3].offset, Offset(1));
}

TEST_F(KeyIndexTest, AlwaysAppendsRecordsWithoutAKey) {
  KeyedJournal journal(files_, SmallTables());
  ASSERT_TRUE(journal.Open());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(journal.Submit({{Key{}, DigestOf(1)}})[0].verdict, Verdict::kAppend);
  }
}

TEST_F(KeyIndexTest, RefusesMoreConflictsThanItKeepsAlsoAfterTheirKeyHasLeftMemory) {
  KeyedJournal journal(files_, SmallTables());
  ASSERT_TRUE(journal.Open());
  for (uint64_t body = 0; body < 6; ++body) journal.Submit({{KeyOf(7), DigestOf(body)}});
  SubmitUnique(journal, 1000, 1500);
  for (uint64_t body = 6; body < 11; ++body) journal.Submit({{KeyOf(7), DigestOf(body)}});
  EXPECT_EQ(journal.Submit({{KeyOf(7), DigestOf(11)}})[0].verdict, Verdict::kConflictLimit);
  SubmitUnique(journal, 1500, 2000);
  const auto over =
      journal.Submit({{KeyOf(7), DigestOf(12)}, {KeyOf(7), DigestOf(10)}, {KeyOf(7), DigestOf(0)}});
  EXPECT_EQ(over[0].verdict, Verdict::kConflictLimit);
  EXPECT_EQ(over[0].offset, Offset(0));
  EXPECT_EQ(over[1].verdict, Verdict::kRepeatedConflict);
  EXPECT_EQ(over[2].verdict, Verdict::kDuplicate);
  journal.CheckFind(KeyOf(7));
}

TEST_F(KeyIndexTest, FindSaysNothingOfWhatIsNotDurable) {
  KeyedJournal journal(files_, SmallTables());
  ASSERT_TRUE(journal.Open());
  journal.Admit({KeyOf(1), DigestOf(1)});
  EXPECT_TRUE(journal.index().Find(KeyOf(1))->empty());
  journal.MakeDurable();
  EXPECT_EQ(journal.index().Find(KeyOf(1))->size(), 1u);
}

// Whatever the order of reports, flushes, merges, orderly stops and kills: each verdict and each
// look-up is what a map of all records would say.
TEST_F(KeyIndexTest, AgreesWithAMapOfEverything) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    auto options = SmallTables();
    options.directory = "/index-" + std::to_string(seed);
    options.hash_seed = seed;
    options.conflicts_per_key_max = 3;
    options.slice_entries_max = 1 + random() % 200;
    options.tail_records_max = 50 + random() % 100;
    KeyedJournal journal(files_, options);
    ASSERT_TRUE(journal.Open());
    for (int step = 0; step < 400; ++step) {
      std::vector<KeyedReport> batch;
      for (size_t i = random() % 32; i > 0; --i) {
        const uint64_t key = random() % 3 == 0 ? random() % 50 : random() % 4000;
        batch.push_back(
            {key == 5 ? Key{} : KeyOf(key), DigestOf(random() % 8 == 0 ? random() % 9 : 0)});
      }
      journal.Submit(batch);
      if (random() % 4 == 0) journal.CheckFind(KeyOf(random() % 4000));
      if (random() % 50 == 0) {
        ASSERT_TRUE(journal.Stop());
        ASSERT_TRUE(journal.Open());
      } else if (random() % 50 == 0) {
        journal.Kill();
        ASSERT_TRUE(journal.Open());
      }
    }
    journal.CheckAll();
    ASSERT_TRUE(journal.Stop());
    EXPECT_TRUE(VerifyRuns(files_, options.directory));
    if (HasFailure()) return;
  }
}

TEST_F(KeyIndexTest, ReplaysOnlyTheTail) {
  KeyedJournal journal(files_, SmallTables());
  ASSERT_TRUE(journal.Open());
  SubmitUnique(journal, 0, 5000);
  ASSERT_TRUE(journal.Stop());
  ASSERT_TRUE(journal.Open());
  EXPECT_GE(journal.replayed_from(), Offset(5000 - 16));
  journal.Kill();
  ASSERT_TRUE(journal.Open());
  // Both tables, and the batches that they had room for besides.
  EXPECT_GE(journal.replayed_from(), Offset(5000 - 2 * (32 + 32)));
}

// Records without keys fill no table, and still the tail stays short.
TEST_F(KeyIndexTest, ReplaysOnlyTheTailOfRecordsWithoutKeys) {
  auto options = SmallTables();
  options.tail_records_max = 100;
  KeyedJournal journal(files_, options);
  ASSERT_TRUE(journal.Open());
  for (int i = 0; i < 2000; ++i) journal.Submit({{Key{}, DigestOf(1)}});
  ASSERT_TRUE(journal.Stop());
  ASSERT_TRUE(journal.Open());
  EXPECT_GE(journal.replayed_from(), Offset(2000 - 200));
}

// The other tests' disk is one in memory.
TEST_F(KeyIndexTest, AgreesWithAMapOfEverythingOnARealDisk) {
  std::string pattern = ::testing::TempDir() + "weir-keys-XXXXXX";
  auto options = SmallTables();
  options.directory = mkdtemp(pattern.data());
  KeyedJournal journal(io::PosixFileSystem(), options);
  ASSERT_TRUE(journal.Open());
  SubmitUnique(journal, 0, 600);
  SubmitUnique(journal, 300, 900);
  journal.Kill();
  ASSERT_TRUE(journal.Open());
  SubmitUnique(journal, 0, 900);
  journal.CheckAll();
  ASSERT_TRUE(journal.Stop());
  EXPECT_TRUE(VerifyRuns(io::PosixFileSystem(), options.directory));
  std::filesystem::remove_all(options.directory);
}

TEST_F(KeyIndexTest, MergesUntilFewRunsAreLeft) {
  KeyedJournal journal(files_, SmallTables());
  ASSERT_TRUE(journal.Open());
  SubmitUnique(journal, 0, 32 * 256);
  // 256 tables are 4^4: at most three runs of each of five levels, once merging has caught up.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (journal.index().stats().runs > 15 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_LE(journal.index().stats().runs, 15u);
  journal.CheckAll();
}

}  // namespace
}  // namespace weir::journal

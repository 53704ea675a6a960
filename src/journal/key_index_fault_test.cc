// The dedupe index on disks that fail, fill up, lose power and flip bits. Whatever happens, it
// never gives a wrong answer: it refuses, or it is right; and afterwards it is right again.
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "journal/key_index.h"
#include "testing/disk/faulty_file_system.h"
#include "testing/key_index/keyed_journal.h"

namespace weir::journal {
namespace {

using testing::DigestOf;
using testing::FaultyFileSystem;
using testing::KeyedJournal;
using testing::KeyedReport;
using testing::KeyOf;

// Tables of 16 keys and slices of 20: a few hundred reports are flushed and merged many times.
KeyIndexOptions TinyTables() {
  KeyIndexOptions options;
  options.directory = "/data/index";
  options.recent_keys_max = 32;
  options.batch_records_max = 8;
  options.tail_kept_at_stop_max = 0;
  options.slice_entries_max = 20;
  options.merge_bytes_per_second_max = 0;
  options.retry_ms = 1;
  return options;
}

// Reports of which some are repeats and conflicts; ends early when the power does.
void Drive(KeyedJournal& journal, const FaultyFileSystem& files, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int batch = 0; batch < 60 && !files.power_is_off(); ++batch) {
    std::vector<KeyedReport> reports;
    for (int i = 0; i < 8; ++i) {
      reports.push_back({KeyOf(random() % 300), DigestOf(random() % 6 == 0 ? random() % 3 : 0)});
    }
    journal.Submit(reports);
  }
}

template <class Condition>
bool Eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// The calls that a run without faults makes, more or less: flushes and merges run beside it.
uint64_t CallsOfADrive() {
  FaultyFileSystem files(1);
  KeyedJournal journal(files, TinyTables());
  EXPECT_TRUE(journal.Open());
  Drive(journal, files, 1);
  EXPECT_TRUE(journal.Stop());
  return files.calls();
}

void FailEachCall(base::ErrorCode code) {
  const uint64_t calls = CallsOfADrive();
  for (uint64_t call = 0; call < calls; ++call) {
    SCOPED_TRACE(call);
    FaultyFileSystem files(call);
    files.FailCall(call, code);
    KeyedJournal journal(files, TinyTables());
    journal.AllowRefusals();
    ASSERT_TRUE(journal.Open() || journal.Open());
    Drive(journal, files, call);
    journal.CheckAll();
    // What failed is done again without anybody's help.
    EXPECT_TRUE(Eventually([&] { return !journal.index().failing(); }));
    journal.Kill();
    ASSERT_TRUE(journal.Open() || journal.Open());
    journal.CheckAll();
    Drive(journal, files, call + 1);
    static_cast<void>(journal.Stop());
    EXPECT_TRUE(VerifyRuns(files, TinyTables().directory));
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(KeyIndexFaults, AnyCallOfTheDiskMayFail) { FailEachCall(base::ErrorCode::kIo); }

TEST(KeyIndexFaults, TheDiskMayBeFullAtAnyCall) { FailEachCall(base::ErrorCode::kNoSpace); }

TEST(KeyIndexFaults, PowerMayBeLostAtAnyCall) {
  const uint64_t calls = CallsOfADrive();
  for (uint64_t call = 0; call < calls; ++call) {
    SCOPED_TRACE(call);
    FaultyFileSystem files(call);
    KeyedJournal journal(files, TinyTables());
    files.CutPowerAtCall(call);
    journal.AllowRefusals();
    if (journal.Open()) Drive(journal, files, call);
    journal.Kill();
    files.LosePower();
    ASSERT_TRUE(journal.Open());
    journal.CheckAll();
    Drive(journal, files, call + 1);
    journal.CheckAll();
    ASSERT_TRUE(journal.Stop());
    const auto verified = VerifyRuns(files, TinyTables().directory);
    EXPECT_TRUE(verified) << base::ToString(verified.error());
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(KeyIndexFaults, AFullDiskRefusesNewKeysKnowsOldOnesAndResumes) {
  FaultyFileSystem files(1);
  KeyedJournal journal(files, TinyTables());
  ASSERT_TRUE(journal.Open());
  Drive(journal, files, 1);
  files.SetCapacity(files.used_bytes());
  Admitted admitted;
  uint64_t number = 1000;
  // Two tables and a batch's room are the most that memory takes.
  for (; admitted.verdict != Verdict::kIndexFull && number < 1100; ++number) {
    admitted = journal.Submit({{KeyOf(number), DigestOf(number)}})[0];
  }
  EXPECT_EQ(admitted.verdict, Verdict::kIndexFull);
  EXPECT_LE(journal.index().stats().keys_in_memory, 2u * (16 + 8));
  ASSERT_TRUE(journal.index().failing());
  EXPECT_EQ(journal.index().failing()->code, base::ErrorCode::kNoSpace);
  EXPECT_EQ(journal.Submit({{KeyOf(1000), DigestOf(1000)}})[0].verdict, Verdict::kDuplicate);
  journal.CheckAll();

  files.SetCapacity(UINT64_MAX);
  EXPECT_TRUE(Eventually([&] { return !journal.index().failing(); }));
  EXPECT_TRUE(Eventually([&] {
    return journal.Submit({{KeyOf(number), DigestOf(number)}})[0].verdict != Verdict::kIndexFull;
  }));
  Drive(journal, files, 2);
  journal.Kill();
  ASSERT_TRUE(journal.Open());
  journal.CheckAll();
}

// What must be durable with a run and is not yet holds the run back, and nothing else.
TEST(KeyIndexFaults, ARunWaitsForWhatMustBeDurableBeforeIt) {
  FaultyFileSystem files(1);
  auto options = TinyTables();
  std::atomic<bool> failing{true};
  options.before_checkpoint = [&]() -> base::Status {
    if (failing) return base::Fail(base::ErrorCode::kNoSpace, "held back");
    return {};
  };
  KeyedJournal journal(files, options);
  ASSERT_TRUE(journal.Open());
  for (uint64_t i = 0; i < 32; ++i) journal.Submit({{KeyOf(i), DigestOf(i)}});
  EXPECT_TRUE(Eventually([&] { return journal.index().failing().has_value(); }));
  EXPECT_EQ(journal.index().covered().end, Offset(0));
  failing = false;
  EXPECT_TRUE(Eventually([&] { return journal.index().covered().end > Offset(0); }));
  EXPECT_TRUE(Eventually([&] { return !journal.index().failing(); }));
  journal.CheckAll();
}

std::vector<std::string> RunPaths(FaultyFileSystem& files) {
  std::vector<std::string> paths;
  const auto names = files.List(TinyTables().directory);
  for (const std::string& name : *names) {
    if (name.ends_with(".run")) paths.push_back(TinyTables().directory + "/" + name);
  }
  return paths;
}

// Damage is found when the run is opened or when it is read. It is never believed.
TEST(KeyIndexFaults, AFlippedBitIsFoundAndTheIndexIsRebuilt) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    FaultyFileSystem files(seed);
    KeyedJournal journal(files, TinyTables());
    ASSERT_TRUE(journal.Open());
    Drive(journal, files, seed);
    ASSERT_TRUE(journal.Stop());
    const auto paths = RunPaths(files);
    ASSERT_FALSE(paths.empty());
    const std::string& path = paths[random() % paths.size()];
    // Half of the flips where the footer and the sections are, which are small beside the blocks.
    const uint64_t bits = files.Contents(path).size() * 8;
    const uint64_t from_end =
        random() % 2 == 0 ? random() % std::min<uint64_t>(bits, 4096) : random() % bits;
    files.FlipBit(path, bits - 1 - from_end);
    const auto verified = VerifyRuns(files, TinyTables().directory);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, base::ErrorCode::kCorruption);

    journal.AllowRefusals();
    ASSERT_TRUE(journal.Open());
    Drive(journal, files, seed + 1);  // compares every verdict that is not a refusal
    journal.Kill();
    // Damage that no look-up has met yet is removed with the file.
    for (const std::string& run : RunPaths(files)) {
      ASSERT_TRUE(run != path || files.Remove(path));
    }
    ASSERT_TRUE(journal.Open());
    journal.CheckAll();
    ASSERT_TRUE(journal.Stop());
    EXPECT_TRUE(VerifyRuns(files, TinyTables().directory));
    if (HasFailure()) return;
  }
}

TEST(KeyIndexFaults, DamageThatALookUpMeetsIsToldAndMovedAside) {
  FaultyFileSystem files(1);
  KeyedJournal journal(files, TinyTables());
  ASSERT_TRUE(journal.Open());
  for (uint64_t i = 0; i < 16; ++i) journal.Submit({{KeyOf(i), DigestOf(i)}});
  ASSERT_TRUE(journal.Stop());
  const std::string path = RunPaths(files).at(0);
  files.FlipBit(path, 8 * 100);
  ASSERT_TRUE(journal.Open());
  const auto found = journal.index().Find(KeyOf(3));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, base::ErrorCode::kCorruption);
  EXPECT_TRUE(journal.index().failing());
  EXPECT_EQ(journal.index().stats().moved_aside, 1u);
  EXPECT_TRUE(files.Exists(path + ".damaged").value());
  journal.Kill();
  ASSERT_TRUE(journal.Open());
  EXPECT_EQ(journal.replayed_from(), Offset(0));
  EXPECT_FALSE(journal.index().failing());
  journal.CheckAll();
}

// Runs that another one covers may be left beside it, and later ones may stand beyond a gap.
TEST(KeyIndexFaults, AMissingRunIsReplayedAndTheLaterOnesAreUsedAgain) {
  FaultyFileSystem files(1);
  KeyedJournal journal(files, TinyTables());
  ASSERT_TRUE(journal.Open());
  Drive(journal, files, 1);
  ASSERT_TRUE(journal.Stop());
  const auto paths = RunPaths(files);
  ASSERT_GT(paths.size(), 1u);
  ASSERT_TRUE(files.Remove(paths.front()));
  ASSERT_TRUE(journal.Open());
  EXPECT_EQ(journal.replayed_from(), Offset(0));
  journal.CheckAll();
  Drive(journal, files, 2);
  journal.CheckAll();
  ASSERT_TRUE(journal.Stop());
  ASSERT_TRUE(journal.Open());
  journal.CheckAll();
  ASSERT_TRUE(journal.Stop());
}

TEST(KeyIndexFaults, DiscardedRunsAreReplayed) {
  FaultyFileSystem files(1);
  KeyedJournal journal(files, TinyTables());
  ASSERT_TRUE(journal.Open());
  Drive(journal, files, 1);
  ASSERT_TRUE(journal.Stop());
  {
    auto index = KeyIndex::Open(files, TinyTables());
    ASSERT_TRUE(index);
    EXPECT_GT((*index)->covered().end, Offset(0));
    ASSERT_TRUE((*index)->DiscardRuns());
    EXPECT_EQ((*index)->covered().end, Offset(0));
  }
  EXPECT_TRUE(RunPaths(files).empty());
  ASSERT_TRUE(journal.Open());
  EXPECT_EQ(journal.replayed_from(), Offset(0));
  journal.CheckAll();
}

}  // namespace
}  // namespace weir::journal

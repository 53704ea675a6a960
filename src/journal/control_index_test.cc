#include "journal/control_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "testing/disk/faulty_file_system.h"

namespace weir::journal {
namespace {

using testing::FaultyFileSystem;

// A journal as its control index sees it: one record in three is a control record.
class ControlledJournal {
 public:
  ControlledJournal(FaultyFileSystem& files, size_t recent_max) : files_(files) {
    options_.directory = "/index";
    options_.recent_max = recent_max;
  }
  base::Status Open() {
    auto opened = ControlIndex::Open(files_, options_);
    if (!opened) return base::Fail(opened.error());
    index_ = std::move(*opened);
    covered_at_open_ = index_->covered();
    EXPECT_LE(covered_at_open_, end_);
    for (Offset at = covered_at_open_; at < end_;) {
      const Offset stop = std::min(end_, at + 7);
      index_->Committed(Between(at, stop), stop);
      at = stop;
    }
    return {};
  }
  void Kill() { index_.reset(); }

  void Commit(uint64_t count, std::mt19937_64& random) {
    const Offset begin = end_;
    for (uint64_t i = 0; i < count; ++i, ++end_) {
      if (random() % 3 != 0) continue;
      entries_.push_back({end_, static_cast<uint16_t>(random() % 9), kControl});
    }
    index_->Committed(Between(begin, end_), end_);
  }
  void CheckFrom(Offset from, size_t max) {
    auto found = index_->Controls(from, max);
    if (!found) found = index_->Controls(from, max);  // the one call that fails may be a read
    ASSERT_TRUE(found) << base::ToString(found.error());
    auto expected = Between(from, end_);
    if (expected.size() > max) expected.resize(max);
    EXPECT_TRUE(std::equal(found->begin(), found->end(), expected.begin(), expected.end(),
                           [](const ControlEntry& a, const ControlEntry& b) {
                             return a.offset == b.offset && a.kind == b.kind && a.flags == b.flags;
                           }))
        << found->size() << " instead of " << expected.size();
  }
  void CheckAll() { CheckFrom(Offset(0), SIZE_MAX); }

  ControlIndex& index() { return *index_; }
  Offset end() const { return end_; }
  Offset covered_at_open() const { return covered_at_open_; }

 private:
  std::vector<ControlEntry> Between(Offset begin, Offset end) const {
    std::vector<ControlEntry> found;
    for (const ControlEntry& entry : entries_) {
      if (entry.offset >= begin && entry.offset < end) found.push_back(entry);
    }
    return found;
  }
  FaultyFileSystem& files_;
  ControlIndexOptions options_;
  std::unique_ptr<ControlIndex> index_;
  std::vector<ControlEntry> entries_;
  Offset end_;
  Offset covered_at_open_;
};

TEST(ControlIndex, AgreesWithAListOfEverything) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    FaultyFileSystem files(seed);
    ControlledJournal journal(files, 16 + random() % 200);
    ASSERT_TRUE(journal.Open());
    for (int step = 0; step < 300; ++step) {
      journal.Commit(random() % 16, random);
      journal.CheckFrom(Offset(random() % (journal.end().value() + 2)), 1 + random() % 50);
      ASSERT_TRUE(random() % 20 != 0 || journal.index().Sync());
      if (random() % 40 == 0) {
        journal.Kill();
        ASSERT_TRUE(journal.Open());
      }
    }
    journal.CheckAll();
    if (HasFailure()) return;
  }
}

TEST(ControlIndex, BeginsAgainWhereItWasSynced) {
  std::mt19937_64 random(1);
  FaultyFileSystem files(1);
  ControlledJournal journal(files, 64);
  ASSERT_TRUE(journal.Open());
  for (int i = 0; i < 100; ++i) journal.Commit(10, random);
  ASSERT_TRUE(journal.index().Sync());
  EXPECT_EQ(journal.index().covered(), Offset(1000));
  journal.Commit(10, random);
  journal.Kill();
  files.LosePower();
  ASSERT_TRUE(journal.Open());
  EXPECT_EQ(journal.covered_at_open(), Offset(1000));
  journal.CheckAll();
}

TEST(ControlIndex, PowerMayBeLostAtAnyCall) {
  for (uint64_t call = 0; call < 250; ++call) {
    SCOPED_TRACE(call);
    std::mt19937_64 random(call);
    FaultyFileSystem files(call);
    ControlledJournal journal(files, 64);
    files.CutPowerAtCall(call);
    if (journal.Open()) {
      for (int i = 0; i < 40 && !files.power_is_off(); ++i) {
        journal.Commit(16, random);
        if (i % 3 == 0) static_cast<void>(journal.index().Sync());
      }
    }
    journal.Kill();
    files.LosePower();
    ASSERT_TRUE(journal.Open());
    journal.CheckAll();
    journal.Commit(16, random);
    ASSERT_TRUE(journal.index().Sync());
    journal.Kill();
    ASSERT_TRUE(journal.Open());
    EXPECT_EQ(journal.covered_at_open(), journal.end());
    journal.CheckAll();
    if (HasFailure()) return;
  }
}

TEST(ControlIndex, AnyCallOfTheDiskMayFail) {
  for (const auto code : {base::ErrorCode::kIo, base::ErrorCode::kNoSpace}) {
    for (uint64_t call = 0; call < 120; ++call) {
      SCOPED_TRACE(call);
      std::mt19937_64 random(call);
      FaultyFileSystem files(call);
      files.FailCall(call, code);
      ControlledJournal journal(files, 64);
      ASSERT_TRUE(journal.Open() || journal.Open());
      for (int i = 0; i < 20; ++i) {
        journal.Commit(16, random);
        if (i % 3 == 0) static_cast<void>(journal.index().Sync());
      }
      journal.CheckAll();
      // A sync that failed may have lost what it should have written: nothing is built on it.
      journal.Kill();
      files.LosePower();
      ASSERT_TRUE(journal.Open() || journal.Open());
      journal.CheckAll();
      if (HasFailure()) return;
    }
  }
}

TEST(ControlIndex, AFullDiskLeavesNoRoomUntilSpaceReturns) {
  std::mt19937_64 random(1);
  FaultyFileSystem files(1);
  ControlledJournal journal(files, 64);
  ASSERT_TRUE(journal.Open());
  journal.Commit(100, random);
  ASSERT_TRUE(journal.index().Sync());
  files.SetCapacity(files.used_bytes());
  while (journal.index().room() > 0) journal.Commit(1, random);
  EXPECT_EQ(journal.index().failing()->code, base::ErrorCode::kNoSpace);
  EXPECT_FALSE(journal.index().Sync());
  journal.CheckAll();
  files.SetCapacity(UINT64_MAX);
  EXPECT_EQ(journal.index().room(), 64u);
  EXPECT_FALSE(journal.index().failing());
  journal.Commit(100, random);
  ASSERT_TRUE(journal.index().Sync());
  journal.CheckAll();
}

TEST(ControlIndex, AFlippedBitIsFoundAndTheFileIsRebuilt) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    FaultyFileSystem files(seed);
    ControlledJournal journal(files, 64);
    ASSERT_TRUE(journal.Open());
    for (int i = 0; i < 30; ++i) journal.Commit(16, random);
    ASSERT_TRUE(journal.index().Sync());
    journal.Kill();
    const std::string path =
        random() % 8 == 0 ? "/index/controls.checkpoint" : "/index/controls.index";
    files.FlipBit(path, random() % (files.Contents(path).size() * 8));
    ASSERT_TRUE(journal.Open());
    // Found when opened, and rebuilt; or when read, and rebuilt at the next start.
    const auto found = journal.index().Controls(Offset(0), SIZE_MAX);
    if (!found) {
      EXPECT_EQ(found.error().code, base::ErrorCode::kCorruption);
      EXPECT_TRUE(journal.index().failing());
      EXPECT_EQ(journal.index().covered(), Offset(0));
      journal.Commit(16, random);
      EXPECT_TRUE(journal.index().Sync());
      journal.Kill();
      ASSERT_TRUE(journal.Open());
      EXPECT_EQ(journal.covered_at_open(), Offset(0));
    }
    EXPECT_FALSE(journal.index().failing());
    journal.CheckAll();
    if (HasFailure()) return;
  }
}

TEST(ControlIndex, AFileThatIsGoneIsRebuilt) {
  for (const std::string name : {"/index/controls.checkpoint", "/index/controls.index"}) {
    std::mt19937_64 random(1);
    FaultyFileSystem files(1);
    ControlledJournal journal(files, 64);
    ASSERT_TRUE(journal.Open());
    for (int i = 0; i < 30; ++i) journal.Commit(10, random);
    ASSERT_TRUE(journal.index().Sync());
    journal.Kill();
    ASSERT_TRUE(files.Remove(name));
    ASSERT_TRUE(journal.Open());
    EXPECT_EQ(journal.covered_at_open(), Offset(0));
    journal.CheckAll();
  }
}

TEST(ControlIndex, DiscardsEverything) {
  std::mt19937_64 random(1);
  FaultyFileSystem files(1);
  ControlledJournal journal(files, 64);
  ASSERT_TRUE(journal.Open());
  for (int i = 0; i < 30; ++i) journal.Commit(10, random);
  ASSERT_TRUE(journal.index().Sync());
  journal.Kill();
  {
    auto index = ControlIndex::Open(files, {"/index"});
    ASSERT_TRUE(index);
    ASSERT_TRUE((*index)->Discard());
    EXPECT_EQ((*index)->covered(), Offset(0));
    EXPECT_TRUE((*index)->Controls(Offset(0), 10)->empty());
  }
  ASSERT_TRUE(journal.Open());
  EXPECT_EQ(journal.covered_at_open(), Offset(0));
  journal.CheckAll();
}

// Readers see every entry once and in order while entries are committed, written and synced.
TEST(ControlIndex, IsReadWhileItGrows) {
  FaultyFileSystem files(1);
  auto index = std::move(*ControlIndex::Open(files, {"/index", 128}));
  constexpr uint64_t kEntries = 20'000;
  std::atomic<uint64_t> committed{0};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&] {
      for (uint64_t next = 0; next < kEntries;) {
        const uint64_t at_least = committed.load();
        const auto found = index->Controls(Offset(next), 100);
        ASSERT_TRUE(found);
        ASSERT_GE(found->size(), std::min<uint64_t>(100, at_least - std::min(at_least, next)));
        for (const ControlEntry& entry : *found) ASSERT_EQ(entry.offset, Offset(next++));
      }
    });
  }
  for (uint64_t i = 0; i < kEntries;) {
    std::vector<ControlEntry> batch;
    for (int j = 0; j < 10; ++j, ++i) batch.push_back({Offset(i), 1, kControl});
    index->Committed(batch, Offset(i));
    committed = i;
    ASSERT_TRUE(i % 2000 != 0 || index->Sync());
  }
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace weir::journal

#include "journal/journal.h"

#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "journal/format.h"
#include "journal/verify.h"
#include "testing/journal/journal_fixture.h"

namespace weir::journal {
namespace {

using testing::AddRecord;
using testing::BodyOf;
using testing::CollectingSink;
using testing::FaultyFileSystem;
using testing::IsRecord;
using testing::kJournalDirectory;
using testing::NamesIn;

class JournalTest : public testing::JournalFixture {};

TEST_F(JournalTest, ReadsBackWhatItStoredAlsoAfterARestart) {
  ASSERT_TRUE(Open());
  StoreAll(0, 1000);
  ExpectRecords(1000);
  ASSERT_TRUE(journal_->Stop());
  ASSERT_TRUE(Open());
  EXPECT_TRUE(journal_->recovery().sealed);
  EXPECT_EQ(journal_->recovery().torn_bytes, 0u);
  ExpectRecords(1000);
  StoreAll(1000, 1100);
  ExpectRecords(1100);
  for (const uint64_t at : {0u, 1u, 999u, 1000u, 1099u}) {
    const auto record = journal_->ReadOne(Offset(at));
    ASSERT_TRUE(record) << base::ToString(record.error());
    EXPECT_TRUE(IsRecord(record->view(), at));
  }
  EXPECT_EQ(journal_->ReadOne(Offset(1100)).error().code, base::ErrorCode::kNotFound);
}

TEST_F(JournalTest, TellsRepeatsAndConflictsAlsoAfterARestart) {
  ASSERT_TRUE(Open());
  const std::string other = "{\"another\":\"body\"}";
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    CollectingSink sink;
    auto batch = std::make_unique<Handover>(&sink);
    AddRecord(*journal_, *batch, 5, BodyOf(5));
    AddRecord(*journal_, *batch, 5, BodyOf(5));
    AddRecord(*journal_, *batch, 5, other);
    AddRecord(*journal_, *batch, 5, other);
    ASSERT_TRUE(journal_->Submit(batch));
    const auto done = sink.Await(1);
    const auto items = done[0]->items();
    EXPECT_EQ(items[0].outcome, restarted ? Outcome::kDuplicate : Outcome::kStored);
    EXPECT_EQ(items[1].outcome, Outcome::kDuplicate);
    EXPECT_EQ(items[2].outcome, restarted ? Outcome::kRepeatedConflict : Outcome::kConflict);
    EXPECT_EQ(items[3].outcome, Outcome::kRepeatedConflict);
    const std::vector<uint64_t> offsets = {0, 0, 1, 1};
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(items[i].offset, Offset(offsets[i]));
      EXPECT_EQ(items[i].ticket, 5u);
    }
    EXPECT_EQ(journal_->durable_end(), Offset(2));
    const auto conflict = journal_->ReadOne(Offset(1));
    ASSERT_TRUE(conflict);
    EXPECT_EQ(conflict->body, other);
    EXPECT_EQ(conflict->flags, kConflicting | kControl);  // number 5 is a control record
    const auto known = journal_->Find(testing::HeaderOf(5, "").key);
    ASSERT_TRUE(known);
    ASSERT_EQ(known->size(), 2u);
    EXPECT_TRUE((*known)[1].conflicting);
    ASSERT_TRUE(journal_->Stop());
    ASSERT_TRUE(Open());
  }
}

// Holds every sync until it is let go.
class SyncGate {
 public:
  explicit SyncGate(FaultyFileSystem& disk) : disk_(disk) {
    disk_.SetSyncHook([gate = gate_] { gate->Enter(); });
  }
  ~SyncGate() {
    disk_.SetSyncHook(nullptr);
    Open();
  }
  void AwaitEntered() { gate_->AwaitEntered(); }
  void Open() { gate_->Open(); }

 private:
  // Shared with the journal's thread, which may still be on its way out when the gate has gone.
  class Gate {
   public:
    void AwaitEntered() {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return entered_ > 0; });
    }
    void Open() {
      const std::lock_guard lock(mutex_);
      open_ = true;
      changed_.notify_all();
    }
    void Enter() {
      std::unique_lock lock(mutex_);
      ++entered_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
    }

   private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int entered_ = 0;
    bool open_ = false;
  };

  FaultyFileSystem& disk_;
  const std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

// While one group is synced the next one gathers; nothing is completed before it is durable, a
// repeat not before what it repeats, and a sink is woken once for all that a sync completed.
TEST_F(JournalTest, GathersTheNextGroupDuringASync) {
  ASSERT_TRUE(Open());
  StoreAll(0, 10);
  const uint64_t syncs = journal_->stats().syncs;
  CollectingSink sink;
  {
    SyncGate gate(disk_);
    const auto submit = [&](uint64_t number) {
      auto batch = std::make_unique<Handover>(&sink);
      AddRecord(*journal_, *batch, number, BodyOf(number));
      ASSERT_TRUE(journal_->Submit(batch));
    };
    submit(10);
    gate.AwaitEntered();
    for (uint64_t number = 10; number < 20; ++number) submit(number);
    EXPECT_EQ(sink.completed(), 0u);
    EXPECT_EQ(journal_->durable_end(), Offset(10));
    EXPECT_EQ(journal_->stats().pending_records, 11u);
    EXPECT_FALSE(journal_->WaitBeyond(Offset(10), 0));
  }
  const auto done = sink.Await(11);
  EXPECT_EQ(done[0]->items()[0].outcome, Outcome::kStored);
  EXPECT_EQ(done[1]->items()[0].outcome, Outcome::kDuplicate);
  EXPECT_EQ(done[1]->items()[0].offset, Offset(10));
  EXPECT_EQ(journal_->stats().syncs, syncs + 2);
  EXPECT_EQ(sink.wakes(), 2u);
  EXPECT_EQ(journal_->stats().pending_records, 0u);
  EXPECT_EQ(journal_->stats().pending_bytes, 0u);
  EXPECT_TRUE(journal_->WaitBeyond(Offset(19), 10'000));
}

TEST_F(JournalTest, TakesNoMoreThanItsBacklog) {
  Options options = Small();
  options.pending_bytes_max = 10'000;
  ASSERT_TRUE(Open(options));
  StoreAll(0, 1);
  CollectingSink sink;
  size_t taken = 0;
  std::unique_ptr<Handover> refused;
  {
    SyncGate gate(disk_);
    for (uint64_t number = 1; !refused; ++number) {
      auto batch = std::make_unique<Handover>(&sink);
      AddRecord(*journal_, *batch, number, BodyOf(number));
      if (journal_->Submit(batch)) {
        ++taken;
      } else {
        refused = std::move(batch);
      }
      ASSERT_LT(taken, 200u);
      ASSERT_LE(journal_->stats().pending_bytes, 10'000u);
    }
    ASSERT_TRUE(refused);
  }
  (void)sink.Await(taken);
  ASSERT_TRUE(journal_->Submit(refused));
  EXPECT_EQ(sink.Await(1)[0]->items()[0].outcome, Outcome::kStored);
}

TEST_F(JournalTest, AppendsAndWaits) {
  ASSERT_TRUE(Open());
  for (uint64_t at = 0; at < 3; ++at) {
    const std::string body = BodyOf(at);
    const auto appended =
        journal_->AppendAndWait(testing::HeaderOf(at, body), testing::HeadOf(at), body);
    EXPECT_EQ(appended.outcome, Outcome::kStored);
    EXPECT_EQ(appended.offset, Offset(at));
    EXPECT_EQ(journal_->durable_end(), Offset(at + 1));
  }
  const std::string body = BodyOf(1);
  const auto again = journal_->AppendAndWait(testing::HeaderOf(1, body), testing::HeadOf(1), body);
  EXPECT_EQ(again.outcome, Outcome::kDuplicate);
  EXPECT_EQ(again.offset, Offset(1));
  ExpectRecords(3);
}

TEST_F(JournalTest, StoresEachOfManyConcurrentReportsOnce) {
  constexpr uint64_t kReports = 300;
  constexpr int kThreads = 4;
  Options options = Small();
  options.recent_keys_max = 4096;
  ASSERT_TRUE(Open(options));
  std::array<std::atomic<int>, kReports> stored{};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      CollectingSink sink;
      for (uint64_t i = 0; i < kReports;) {
        auto batch = std::make_unique<Handover>(&sink);
        for (const uint64_t stop = std::min<uint64_t>(kReports, i + 1 + (i + t) % 7); i < stop;
             ++i) {
          AddRecord(*journal_, *batch, i, BodyOf(i));
        }
        while (!journal_->Submit(batch)) std::this_thread::yield();
      }
      size_t items = 0;
      while (items < kReports) {
        for (const auto& batch : sink.Await(1)) {
          for (const auto& item : batch->items()) {
            ++items;
            if (item.outcome == Outcome::kStored) stored[item.ticket].fetch_add(1);
            EXPECT_TRUE(item.outcome == Outcome::kStored || item.outcome == Outcome::kDuplicate);
            EXPECT_LT(item.offset, journal_->durable_end());
          }
        }
      }
    });
  }
  // Readers and probes alongside.
  threads.emplace_back([&] {
    Block block;
    for (uint64_t at = 0; at < kReports;) {
      ASSERT_TRUE(journal_->WaitBeyond(Offset(at), 60'000));
      ASSERT_TRUE(journal_->Read(Offset(at), 50, 1u << 20, &block));
      at += block.records.size();
    }
  });
  for (std::thread& thread : threads) thread.join();
  for (const auto& times : stored) EXPECT_EQ(times.load(), 1);
  EXPECT_EQ(journal_->durable_end(), Offset(kReports));
}

TEST_F(JournalTest, ListsControlRecordsAlsoAfterARestart) {
  ASSERT_TRUE(Open());
  StoreAll(0, 100);
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    const auto controls = journal_->Controls(Offset(11), 5);
    ASSERT_TRUE(controls);
    ASSERT_EQ(controls->size(), 5u);
    for (size_t i = 0; i < 5; ++i) EXPECT_EQ((*controls)[i].offset, Offset(15 + 5 * i));
    EXPECT_EQ((*controls)[0].kind, 1);
    EXPECT_EQ((*controls)[0].flags, kControl);
    ASSERT_TRUE(journal_->Stop());
    ASSERT_TRUE(Open());
  }
}

TEST_F(JournalTest, ArchivesSegmentsAndStillKnowsTheirRecords) {
  ASSERT_TRUE(Open(SmallTables()));
  StoreAll(0, 2000);
  const auto begin = journal_->Archive(Offset(1500), "archive");
  ASSERT_TRUE(begin) << base::ToString(begin.error());
  EXPECT_GT(*begin, Offset(0));
  EXPECT_LE(*begin, Offset(1500));
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    EXPECT_EQ(journal_->begin(), *begin);
    Block block;
    const auto below = journal_->Read(Offset(3), 10, 1000, &block);
    EXPECT_EQ(below.error().code, base::ErrorCode::kNotFound);
    EXPECT_NE(below.error().message.find("offsets 3 to " + std::to_string(begin->value() - 1)),
              std::string::npos)
        << below.error().message;
    EXPECT_TRUE(journal_->ReadOne(*begin));
    EXPECT_EQ(Store(3, 4)[0], Outcome::kDuplicate);
    ASSERT_TRUE(journal_->Stop());
    ASSERT_TRUE(Open(SmallTables()));
  }
  ASSERT_TRUE(journal_->Stop());
  const auto left = Verify(disk_, kJournalDirectory, std::nullopt);
  ASSERT_TRUE(left && left->ok()) << ToString(left->findings[0]);
  EXPECT_EQ(left->begin, *begin);
  const auto archived = Verify(disk_, "archive", std::nullopt);
  ASSERT_TRUE(archived && archived->ok()) << ToString(archived->findings[0]);
  EXPECT_EQ(archived->end, *begin);
}

TEST_F(JournalTest, LocksItsDirectory) {
  ASSERT_TRUE(Open());
  EXPECT_EQ(Journal::Open(disk_, clock_, Small()).error().code, base::ErrorCode::kUnavailable);
  ASSERT_TRUE(journal_->Stop());
  EXPECT_TRUE(Open());
}

TEST_F(JournalTest, ReadsWithoutALockAndWithoutChangingAnything) {
  ASSERT_TRUE(Open());
  StoreAll(0, 100);
  Options options = Small();
  options.read_only = true;
  const auto reader = Journal::Open(disk_, clock_, options);
  ASSERT_TRUE(reader) << base::ToString(reader.error());
  EXPECT_EQ((*reader)->durable_end(), Offset(100));
  const auto record = (*reader)->ReadOne(Offset(42));
  ASSERT_TRUE(record);
  EXPECT_TRUE(IsRecord(record->view(), 42));
  EXPECT_EQ((*reader)->Controls(Offset(0), 1).error().code, base::ErrorCode::kUnsupported);
  EXPECT_EQ((*reader)->AppendAndWait({}, "", "").outcome, Outcome::kStopped);
  StoreAll(100, 110);
}

}  // namespace
}  // namespace weir::journal

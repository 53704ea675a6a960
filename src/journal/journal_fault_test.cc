#include <gtest/gtest.h>

#include <array>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "journal/format.h"
#include "journal/journal.h"
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

class JournalFaults : public testing::JournalFixture {};

TEST_F(JournalFaults, StopsForGoodAfterAFailedSyncAndANewOneRecovers) {
  ASSERT_TRUE(Open());
  StoreAll(0, 20);
  int handled = 0;
  journal_->SetFailureHandler([&](const base::Error&) { ++handled; });
  disk_.FailCall(disk_.calls() + 1, base::ErrorCode::kIo);  // its write, then its sync
  for (const Outcome outcome : Store(20, 60)) EXPECT_EQ(outcome, Outcome::kStopped);
  EXPECT_EQ(handled, 1);
  ASSERT_TRUE(journal_->failed());
  EXPECT_EQ(journal_->failed()->code, base::ErrorCode::kIo);
  EXPECT_EQ(journal_->durable_end(), Offset(20));
  EXPECT_EQ(journal_->AppendAndWait(testing::HeaderOf(99, ""), "", "").outcome, Outcome::kStopped);
  EXPECT_FALSE(journal_->Stop());
  journal_.reset();
  ASSERT_TRUE(Open());
  EXPECT_GE(journal_->durable_end(), Offset(20));
  const uint64_t end = journal_->durable_end().value();
  ExpectRecords(end);
  for (const Outcome outcome : Store(0, end)) EXPECT_EQ(outcome, Outcome::kDuplicate);
  StoreAll(end, 100);
}

TEST_F(JournalFaults, RefusesWhileTheDiskIsFullAndResumesByItself) {
  ASSERT_TRUE(Open());
  StoreAll(0, 10);
  disk_.SetCapacity(disk_.used_bytes() + 10'000);
  uint64_t stored = 10;
  for (bool refused = false; !refused;) {
    const Outcome outcome = Store(stored, stored + 1)[0];
    refused = outcome == Outcome::kNoSpace;
    ASSERT_TRUE(refused || outcome == Outcome::kStored);
    if (!refused) ++stored;
    ASSERT_LT(stored, 1000u);
  }
  EXPECT_TRUE(journal_->stats().no_space);
  EXPECT_FALSE(journal_->failed());
  ExpectRecords(stored);
  disk_.SetCapacity(UINT64_MAX);
  // Its own thread notices, without a request.
  while (journal_->stats().no_space) EXPECT_FALSE(journal_->WaitBeyond(Offset(stored), 10));
  StoreAll(stored, stored + 300);
  ExpectRecords(stored + 300);
}

TEST_F(JournalFaults, ServesNothingDamagedAndNamesItsOffsets) {
  ASSERT_TRUE(Open(SmallTables()));
  StoreAll(0, 2000);
  ASSERT_TRUE(journal_->Stop());
  disk_.FlipBit(std::string(kJournalDirectory) + "/" + SegmentName(Offset(0)), (512 + 96 + 20) * 8);
  ASSERT_TRUE(Open(SmallTables()));
  const auto record = journal_->ReadOne(Offset(0));
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().code, base::ErrorCode::kCorruption);
  EXPECT_NE(record.error().message.find("offsets 0 to "), std::string::npos)
      << record.error().message;
  Block block;
  EXPECT_EQ(journal_->Read(Offset(0), 10, 1000, &block).error().code, base::ErrorCode::kCorruption);
  EXPECT_TRUE(block.records.empty());
  const auto later = journal_->ReadOne(Offset(1900));
  ASSERT_TRUE(later);
  EXPECT_TRUE(IsRecord(later->view(), 1900));
}

TEST_F(JournalFaults, MakesALostIndexAgain) {
  ASSERT_TRUE(Open());
  StoreAll(0, 1000);
  ASSERT_TRUE(journal_->Stop());
  const std::string index = std::string(kJournalDirectory) + "/index";
  for (const std::string& name : NamesIn(disk_, index)) {
    ASSERT_TRUE(disk_.Remove(index + "/" + name));
  }
  ASSERT_TRUE(Open());
  for (const Outcome outcome : Store(0, 1000)) ASSERT_EQ(outcome, Outcome::kDuplicate);
  EXPECT_EQ(journal_->Controls(Offset(0), 1000)->size(), 200u);
  ExpectRecords(1000);
}

TEST_F(JournalFaults, RefusesAnEndThatItsIndexOrACursorHasSeen) {
  ASSERT_TRUE(Open());
  StoreAll(0, 1000);
  ASSERT_TRUE(journal_->Stop());
  Options options = Small();
  options.cursor_max = Offset(1001);
  const auto beyond = Open(options);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, base::ErrorCode::kCorruption);
  EXPECT_NE(beyond.error().message.find("offsets 1000 to 1000 are missing"), std::string::npos);
  options.cursor_max = Offset(1000);
  ASSERT_TRUE(Open(options));
  ASSERT_TRUE(journal_->Stop());

  std::string newest;
  for (const std::string& name : NamesIn(disk_, kJournalDirectory)) {
    if (ParseSegmentName(name)) newest = std::string(kJournalDirectory) + "/" + name;
  }
  ASSERT_TRUE(disk_.Remove(newest));
  const auto lost = Open();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, base::ErrorCode::kCorruption);
}

TEST_F(JournalFaults, RefusesTheIndexOfAnotherJournal) {
  ASSERT_TRUE(Open(SmallTables()));
  StoreAll(0, 500);
  ASSERT_TRUE(journal_->Stop());
  std::vector<std::pair<std::string, std::string>> index;
  const std::string directory = std::string(kJournalDirectory) + "/index/";
  for (const std::string& name : NamesIn(disk_, std::string(kJournalDirectory) + "/index")) {
    index.emplace_back(directory + name, disk_.Contents(directory + name));
  }
  FaultyFileSystem other(2);
  Options options = SmallTables();
  clock_.AdvanceMs(1);
  auto journal = Journal::Open(other, clock_, options);
  ASSERT_TRUE(journal);
  for (uint64_t at = 0; at < 600; ++at) {
    (void)(*journal)->AppendAndWait(testing::HeaderOf(at, BodyOf(at)), "another head", BodyOf(at));
  }
  ASSERT_TRUE((*journal)->Stop());
  for (const std::string& name : NamesIn(other, std::string(kJournalDirectory) + "/index")) {
    ASSERT_TRUE(other.Remove(directory + name));
  }
  for (const auto& [path, bytes] : index) other.SetContents(path, bytes);
  const auto opened = Journal::Open(other, clock_, options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, base::ErrorCode::kCorruption) << opened.error().message;
}

// The whole journal, its threads and its index, loses power at any moment: what was acknowledged is
// there once, and its repeats are known.
TEST_F(JournalFaults, KeepsWhatItAcknowledgedWheneverThePowerFails) {
#ifdef WEIR_SANITIZED
  constexpr uint64_t kSeeds = 20;
#else
  constexpr uint64_t kSeeds = 200;
#endif
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    FaultyFileSystem disk(seed);
    std::mt19937_64 random(seed);
    std::map<uint64_t, Offset> acknowledged;
    uint64_t next = 0;
    for (int round = 0; round < 2; ++round) {
      auto opened = Journal::Open(disk, clock_, Small());
      ASSERT_TRUE(opened) << base::ToString(opened.error());
      Journal& journal = **opened;
      disk.CutPowerAtCall(disk.calls() + random() % 120);
      CollectingSink sink;
      size_t sent = 0;
      for (; sent < 40; ++sent) {
        auto batch = std::make_unique<Handover>(&sink);
        for (int i = 0; i < 12; ++i, ++next) AddRecord(journal, *batch, next, BodyOf(next));
        ASSERT_TRUE(journal.Submit(batch));
        if (sent % 3 == 0) (void)journal.WaitBeyond(Offset(next - 12), 1);
      }
      for (size_t back = 0; back < sent;) {
        for (const auto& batch : sink.Await(1)) {
          ++back;
          for (const auto& item : batch->items()) {
            if (item.outcome == Outcome::kStored) acknowledged[item.ticket] = item.offset;
          }
        }
      }
      opened->reset();
      disk.LosePower();
    }
    auto opened = Journal::Open(disk, clock_, Small());
    ASSERT_TRUE(opened) << base::ToString(opened.error());
    Journal& journal = **opened;
    for (const auto& [number, offset] : acknowledged) {
      const auto record = journal.ReadOne(offset);
      ASSERT_TRUE(record) << base::ToString(record.error());
      ASSERT_TRUE(IsRecord(record->view(), number));
      const std::string body = BodyOf(number);
      const auto again =
          journal.AppendAndWait(testing::HeaderOf(number, body), testing::HeadOf(number), body);
      ASSERT_EQ(again.outcome, Outcome::kDuplicate);
      ASSERT_EQ(again.offset, offset);
    }
  }
}

}  // namespace
}  // namespace weir::journal

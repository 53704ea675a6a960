#include "journal/journal.h"

#include <gtest/gtest.h>

#include "testing/disk/faulty_file_system.h"
#include "testing/disk/virtual_clock.h"
#include "testing/journal/records.h"

namespace weir::journal {
namespace {

using testing::AddRecord;
using testing::BodyOf;
using testing::CollectingSink;
using testing::FaultyFileSystem;
using testing::IsRecord;

constexpr const char* kDirectory = "data/journal";

class JournalTest : public ::testing::Test {
 protected:
  static Options Small() {
    Options options;
    options.directory = kDirectory;
    options.segment_bytes = 64u << 10;
    options.recent_keys_max = 256;
    options.batch_records_max = 32;
    return options;
  }

  base::Status Open(Options options = Small()) {
    auto opened = Journal::Open(disk_, clock_, std::move(options));
    if (!opened) return base::Fail(opened.error());
    journal_ = std::move(*opened);
    return {};
  }

  // Stores records [begin, end) in handovers of ten, three at a time, and returns the outcomes in
  // order.
  std::vector<Outcome> Store(uint64_t begin, uint64_t end) {
    std::vector<Outcome> outcomes;
    for (uint64_t at = begin; at < end;) {
      CollectingSink sink;
      size_t handovers = 0;
      for (; handovers < 3 && at < end; ++handovers) {
        auto batch = std::make_unique<Handover>(&sink);
        for (const uint64_t stop = std::min(end, at + 10); at < stop; ++at) {
          AddRecord(*journal_, *batch, at, BodyOf(at));
        }
        EXPECT_TRUE(journal_->Submit(batch));
      }
      for (const auto& batch : sink.Await(handovers)) {
        for (const auto& item : batch->items()) outcomes.push_back(item.outcome);
      }
    }
    return outcomes;
  }
  void StoreAll(uint64_t begin, uint64_t end) {
    for (const Outcome outcome : Store(begin, end)) ASSERT_EQ(outcome, Outcome::kStored);
  }
  // Expects exactly the records [0, end), read in windows.
  void ExpectRecords(uint64_t end) {
    ASSERT_EQ(journal_->durable_end(), Offset(end));
    Block block;
    for (uint64_t at = 0; at < end;) {
      const auto read = journal_->Read(Offset(at), 37, 1u << 20, &block);
      ASSERT_TRUE(read) << base::ToString(read.error());
      ASSERT_FALSE(block.records.empty());
      for (const RecordView& record : block.records) {
        ASSERT_EQ(record.offset, Offset(at));
        ASSERT_TRUE(IsRecord(record, at)) << at;
        ++at;
      }
    }
  }

  FaultyFileSystem disk_{1};
  testing::VirtualClock clock_;
  std::unique_ptr<Journal> journal_;
};

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

}  // namespace
}  // namespace weir::journal

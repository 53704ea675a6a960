// A journal with its threads and its index, on a disk that fails when told to.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "journal/journal.h"
#include "testing/disk/faulty_file_system.h"
#include "testing/disk/virtual_clock.h"
#include "testing/journal/records.h"

namespace weir::testing {

constexpr const char* kJournalDirectory = "data/journal";

inline std::vector<std::string> NamesIn(io::FileSystem& files, const std::string& directory) {
  return files.List(directory).value();
}

class JournalFixture : public ::testing::Test {
 protected:
  static journal::Options Small() {
    journal::Options options;
    options.directory = kJournalDirectory;
    options.segment_bytes = 64u << 10;
    options.recent_keys_max = 4096;
    options.batch_records_max = 32;
    return options;
  }

  // An index that is written every 128 records.
  static journal::Options SmallTables() {
    journal::Options options = Small();
    options.recent_keys_max = 256;
    return options;
  }

  base::Status Open(journal::Options options = Small()) {
    auto opened = journal::Journal::Open(disk_, clock_, std::move(options));
    if (!opened) return base::Fail(opened.error());
    journal_ = std::move(*opened);
    return {};
  }

  // Stores records [begin, end) in handovers of ten, three at a time, and returns the outcomes in
  // order.
  std::vector<journal::Outcome> Store(uint64_t begin, uint64_t end) {
    std::vector<journal::Outcome> outcomes;
    for (uint64_t at = begin; at < end;) {
      CollectingSink sink;
      size_t handovers = 0;
      for (; handovers < 3 && at < end; ++handovers) {
        auto batch = std::make_unique<journal::Handover>(&sink);
        for (const uint64_t stop = std::min(end, at + 10); at < stop; ++at) {
          AddRecord(*journal_, *batch, at, BodyOf(at));
        }
        EXPECT_TRUE(journal_->Submit(batch));
      }
      for (const auto& batch : sink.Await(handovers)) {
        for (const auto& item : batch->items()) {
          outcomes.push_back(item.outcome);
          if (item.outcome != journal::Outcome::kProbeAgain) continue;
          const std::string body = BodyOf(item.ticket);
          outcomes.back() =
              journal_->AppendAndWait(HeaderOf(item.ticket, body), HeadOf(item.ticket), body)
                  .outcome;
        }
      }
    }
    return outcomes;
  }
  void StoreAll(uint64_t begin, uint64_t end) {
    for (const journal::Outcome outcome : Store(begin, end))
      ASSERT_EQ(outcome, journal::Outcome::kStored);
  }
  // Expects exactly the records [0, end), read in windows.
  void ExpectRecords(uint64_t end) {
    ASSERT_EQ(journal_->durable_end(), journal::Offset(end));
    journal::Block block;
    for (uint64_t at = 0; at < end;) {
      const auto read = journal_->Read(journal::Offset(at), 37, 1u << 20, &block);
      ASSERT_TRUE(read) << base::ToString(read.error());
      ASSERT_FALSE(block.records.empty());
      for (const journal::RecordView& record : block.records) {
        ASSERT_EQ(record.offset, journal::Offset(at));
        ASSERT_TRUE(IsRecord(record, at)) << at;
        ++at;
      }
    }
  }

  FaultyFileSystem disk_{1};
  testing::VirtualClock clock_;
  std::unique_ptr<journal::Journal> journal_;
};

}  // namespace weir::testing

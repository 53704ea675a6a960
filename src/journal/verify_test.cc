#include "journal/verify.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "journal/archive.h"
#include "journal/inspect.h"
#include "testing/disk/faulty_file_system.h"
#include "testing/journal/plain_journal.h"

namespace weir::journal {
namespace {

using base::ErrorCode;
using testing::BodyOf;
using testing::FaultyFileSystem;
using testing::IsRecord;
using testing::PlainJournal;

constexpr const char* kDirectory = "journal";

// Segments of 4 KiB, so that every bit of several can be flipped.
PlainJournal::Options Tiny() {
  PlainJournal::Options options;
  options.segment_bytes = 4096;
  return options;
}

class VerifyTest : public ::testing::Test {
 protected:
  // Three segments: two closed ones, and one with groups, a seal in the middle, and unused space.
  VerifyTest() {
    PlainJournal journal(disk_, Tiny());
    EXPECT_TRUE(journal.Open());
    while (journal.segments().segments().size() < 3) EXPECT_TRUE(journal.Append(3));
    EXPECT_TRUE(journal.Seal());
    EXPECT_TRUE(journal.Append(2));
    end_ = journal.durable();
    for (const auto& segment : journal.segments().segments()) {
      names_.push_back("journal/" + SegmentName(segment.first));
      firsts_.push_back(segment.first);
    }
    disk_.Kill();
  }
  Verification Check(const std::optional<Expectation>& expectation = std::nullopt) {
    auto verified = Verify(disk_, kDirectory, expectation);
    EXPECT_TRUE(verified) << base::ToString(verified.error());
    return verified ? *verified : Verification{};
  }

  FaultyFileSystem disk_{1};
  uint64_t end_ = 0;
  std::vector<std::string> names_;
  std::vector<Offset> firsts_;
};

// Another folder, or a disk that is not mounted, must not pass for a journal in order.
TEST_F(VerifyTest, FindsThatThereIsNoJournal) {
  ASSERT_TRUE(disk_.MakeDirectories("elsewhere"));
  const auto verified = Verify(disk_, "elsewhere", std::nullopt);
  ASSERT_TRUE(verified);
  EXPECT_FALSE(verified->ok());
  EXPECT_FALSE(HasSegments(disk_, "elsewhere").value());
  EXPECT_TRUE(HasSegments(disk_, kDirectory).value());
}

TEST_F(VerifyTest, FindsNothingWrongWithAJournalInOrder) {
  const Verification verified = Check();
  EXPECT_TRUE(verified.ok()) << (verified.ok() ? "" : ToString(verified.findings[0]));
  EXPECT_EQ(verified.segments, 3u);
  EXPECT_EQ(verified.records, end_);
  EXPECT_EQ(verified.end, Offset(end_));
  EXPECT_FALSE(verified.sealed);
}

// Any flipped bit anywhere in a journal is found by verify, and what it damaged is never served.
TEST_F(VerifyTest, FindsEveryFlippedBitAndNothingDamagedIsServed) {
#ifdef WEIR_SANITIZED
  constexpr uint64_t kStep = 37;
#else
  constexpr uint64_t kStep = 1;
#endif
  PlainJournal::Options read_only = Tiny();
  read_only.repair = false;
  for (const std::string& name : names_) {
    const uint64_t bits = disk_.Contents(name).size() * 8;
    for (uint64_t bit = 0; bit < bits; bit += kStep) {
      disk_.FlipBit(name, bit);
      ASSERT_FALSE(Check().ok()) << name << " bit " << bit;
      PlainJournal journal(disk_, read_only);
      if (journal.Open()) {
        const auto intact = journal.IntactUpTo();
        ASSERT_TRUE(!intact || *intact == journal.durable()) << name << " bit " << bit;
      }
      disk_.FlipBit(name, bit);
    }
  }
  EXPECT_TRUE(Check().ok());
}

TEST_F(VerifyTest, NamesBytesAndOffsetsOfDamageAndChecksWhatFollows) {
  const std::string whole = disk_.Contents(names_[1]);
  const FrameHeader second = [&] {
    const FrameHeader first =
        DecodeFrameHeader(std::string_view(whole).substr(kSegmentHeaderBytes), kSegmentHeaderBytes)
            .value();
    return DecodeFrameHeader(std::string_view(whole).substr(first.next_position()),
                             first.next_position())
        .value();
  }();
  disk_.FlipBit(names_[1], (second.position() + kFrameHeaderBytes + 3) * 8);
  disk_.FlipBit(names_[2], (kSegmentHeaderBytes + kFrameHeaderBytes + 3) * 8);
  const Verification verified = Check();
  ASSERT_EQ(verified.findings_total, 2u);
  const Finding& finding = verified.findings[0];
  EXPECT_EQ("journal/" + finding.file, names_[1]);
  EXPECT_EQ(finding.from_byte, second.position());
  EXPECT_EQ(finding.to_byte, second.next_position());
  EXPECT_EQ(finding.first, second.first);
  EXPECT_EQ(finding.end, second.end());
  EXPECT_FALSE(finding.torn);
  EXPECT_EQ("journal/" + verified.findings[1].file, names_[2]);
  EXPECT_EQ(verified.end, Offset(end_));
}

TEST_F(VerifyTest, CallsAnInterruptedLastGroupTorn) {
  PlainJournal::Options read_only = Tiny();
  read_only.repair = false;
  PlainJournal journal(disk_, read_only);
  ASSERT_TRUE(journal.Open());
  const uint64_t last = journal.recovered().newest->group_position;
  disk_.FlipBit(names_[2], (last + 300) * 8);
  const Verification verified = Check();
  ASSERT_EQ(verified.findings_total, 1u);
  EXPECT_TRUE(verified.findings[0].torn);
  EXPECT_EQ(verified.end, Offset(end_ - 2));
}

// Changes a record's head and makes all checksums right again: only the chain tells.
TEST_F(VerifyTest, FindsAChangedHeadWithRightChecksumsByTheChain) {
  std::string bytes = disk_.Contents(names_[0]);
  FrameHeader header =
      DecodeFrameHeader(std::string_view(bytes).substr(kSegmentHeaderBytes), kSegmentHeaderBytes)
          .value();
  ASSERT_FALSE(header.compressed);
  char* const payload =
      bytes.data() + kSegmentHeaderBytes + kFrameHeaderBytes + header.table_bytes();
  payload[0] ^= 1;
  header.payload_crc = base::Crc32c({payload, header.stored_bytes});
  EncodeFrameHeader(header, bytes.data() + kSegmentHeaderBytes);
  disk_.SetContents(names_[0], bytes);
  const Verification verified = Check();
  ASSERT_EQ(verified.findings_total, 1u);
  EXPECT_NE(verified.findings[0].what.find("chain"), std::string::npos);
  EXPECT_EQ(verified.findings[0].first, Offset(0));
  EXPECT_EQ(verified.findings[0].end, Offset(3));
}

TEST_F(VerifyTest, FindsAChangedBodyWithRightChecksumsByItsHash) {
  std::string bytes = disk_.Contents(names_[0]);
  FrameHeader header =
      DecodeFrameHeader(std::string_view(bytes).substr(kSegmentHeaderBytes), kSegmentHeaderBytes)
          .value();
  char* const payload =
      bytes.data() + kSegmentHeaderBytes + kFrameHeaderBytes + header.table_bytes();
  payload[header.stored_bytes - 1] ^= 1;
  header.payload_crc = base::Crc32c({payload, header.stored_bytes});
  EncodeFrameHeader(header, bytes.data() + kSegmentHeaderBytes);
  disk_.SetContents(names_[0], bytes);
  const Verification verified = Check();
  ASSERT_EQ(verified.findings_total, 1u);
  EXPECT_NE(verified.findings[0].what.find("SHA-256"), std::string::npos);
  EXPECT_EQ(verified.findings[0].first, Offset(2));
}

TEST_F(VerifyTest, FindsAMissingSegment) {
  for (size_t i = 0; i < 2; ++i) {
    const std::string bytes = disk_.Contents(names_[i]);
    ASSERT_TRUE(disk_.Remove(names_[i]));
    const Verification verified = Check();
    ASSERT_FALSE(verified.ok());
    EXPECT_EQ(verified.findings[0].first, firsts_[i]);
    EXPECT_EQ(verified.findings[0].end, firsts_[i + 1]);
    disk_.SetContents(names_[i], bytes);
  }
}

// Without a receipt a lost end cannot be told from a journal that never had it.
TEST_F(VerifyTest, FindsALostEndByAReceipt) {
  const Expectation last{Offset(end_ - 1), base::Sha256(BodyOf(end_ - 1))};
  EXPECT_TRUE(Check(last).ok());
  EXPECT_FALSE(Check(Expectation{Offset(end_ - 1), base::Sha256("other")}).ok());
  EXPECT_FALSE(Check(Expectation{Offset(end_), last.sha256}).ok());
  ASSERT_TRUE(disk_.Remove(names_[2]));
  EXPECT_TRUE(Check().ok());
  EXPECT_FALSE(Check(last).ok());
}

TEST_F(VerifyTest, ReadsExpectations) {
  const std::string hex = base::Sha256("x").hex();
  const auto parsed = ParseExpectation("17:" + hex);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->offset, Offset(17));
  EXPECT_EQ(parsed->sha256, base::Sha256("x"));
  for (const std::string& bad : {std::string(), hex, ":" + hex, std::string("1:"), "1:" + hex + "0",
                                 "-1:" + hex, "1x:" + hex, "99999999999999999999:" + hex}) {
    EXPECT_EQ(ParseExpectation(bad).error().code, ErrorCode::kInvalidArgument) << bad;
  }
}

TEST_F(VerifyTest, AnArchivedSegmentIsCheckedWhereItIs) {
  const auto archived = ArchiveSegment(disk_, kDirectory, firsts_[0], "archive");
  ASSERT_TRUE(archived) << base::ToString(archived.error());
  EXPECT_EQ(archived->end, firsts_[1]);
  EXPECT_FALSE(disk_.Exists(names_[0]).value());
  const Verification left = Check();
  EXPECT_TRUE(left.ok());
  EXPECT_EQ(left.begin, firsts_[1]);
  EXPECT_EQ(left.end, Offset(end_));
  EXPECT_FALSE(Check(Expectation{Offset(0), base::Sha256(BodyOf(0))}).ok());

  const auto in_archive = Verify(disk_, "archive", Expectation{Offset(0), base::Sha256(BodyOf(0))});
  ASSERT_TRUE(in_archive);
  EXPECT_TRUE(in_archive->ok()) << ToString(in_archive->findings[0]);
  EXPECT_EQ(in_archive->end, firsts_[1]);
  disk_.FlipBit("archive/" + SegmentName(firsts_[0]), 40'000 % 4096);
  EXPECT_FALSE(Verify(disk_, "archive", std::nullopt)->ok());
  disk_.FlipBit("journal/archive.manifest", 200);
  EXPECT_FALSE(Check().ok());
}

// Archiving may be interrupted at any call, and is then done again.
TEST(Archive, LosesNothingWhereverItIsInterrupted) {
  for (uint64_t call = 0;; ++call) {
    SCOPED_TRACE(call);
    FaultyFileSystem disk(call);
    uint64_t end = 0;
    std::vector<SegmentSet::Segment> segments;
    {
      PlainJournal journal(disk, Tiny());
      ASSERT_TRUE(journal.Open());
      while (journal.segments().segments().size() < 4) ASSERT_TRUE(journal.Append(3));
      end = journal.durable();
      segments = journal.segments().segments();
    }
    disk.CutPowerAtCall(disk.calls() + call);
    const bool first = ArchiveSegment(disk, kDirectory, segments[0].first, "archive").has_value();
    const bool second =
        first && ArchiveSegment(disk, kDirectory, segments[1].first, "archive").has_value();
    disk.LosePower();
    {
      PlainJournal journal(disk, Tiny());
      const auto opened = journal.Open();
      ASSERT_TRUE(opened) << base::ToString(opened.error());
      ASSERT_EQ(journal.durable(), end);
      ASSERT_EQ(journal.IntactUpTo(), end);
      const Offset begin = journal.recovered().begin;
      for (const auto& segment : segments) {
        if (segment.end > segments[1].end || segment.first < begin) continue;
        ASSERT_TRUE(ArchiveSegment(disk, kDirectory, segment.first, "archive"));
      }
    }
    const auto archive = Verify(disk, "archive", std::nullopt);
    ASSERT_TRUE(archive && archive->ok()) << ToString(archive->findings[0]);
    ASSERT_EQ(archive->records, segments[1].end.value());
    const auto journal = Verify(disk, kDirectory, std::nullopt);
    ASSERT_TRUE(journal && journal->ok()) << ToString(journal->findings[0]);
    ASSERT_EQ(journal->begin, segments[1].end);
    if (second) break;
  }
}

TEST_F(VerifyTest, ListsItsSegments) {
  const auto listed = ListSegments(disk_, kDirectory);
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 3u);
  EXPECT_EQ((*listed)[0].end, firsts_[1]);
  EXPECT_TRUE((*listed)[1].closed);
  EXPECT_FALSE((*listed)[2].closed);
  EXPECT_EQ((*listed)[2].end, Offset(end_));
  EXPECT_GT((*listed)[2].file_bytes, (*listed)[2].used_bytes);
  EXPECT_EQ((*listed)[2].damage, "");
}

TEST_F(VerifyTest, DumpsWhatCanBeReadOfADamagedJournal) {
  disk_.FlipBit(names_[1], (kSegmentHeaderBytes + kFrameHeaderBytes + 3) * 8);
  const auto dump = [&](uint64_t from, uint64_t count) {
    std::vector<uint64_t> seen;
    std::vector<std::pair<uint64_t, uint64_t>> skipped;
    EXPECT_TRUE(DumpRecords(
        disk_, kDirectory, Offset(from), count,
        [&](const RecordView& record) -> base::Status {
          EXPECT_TRUE(IsRecord(record, record.offset.value()));
          seen.push_back(record.offset.value());
          return {};
        },
        [&](Offset first, Offset end, const std::string&) {
          skipped.emplace_back(first.value(), end.value());
        }));
    return std::pair(seen, skipped);
  };
  const auto [seen, skipped] = dump(0, 1000);
  const uint64_t lost = firsts_[1].value();
  ASSERT_EQ(skipped.size(), 1u);
  EXPECT_EQ(skipped[0].first, lost);
  EXPECT_EQ(seen.size(), end_ - (skipped[0].second - lost));
  EXPECT_LT(seen.size(), end_);
  EXPECT_EQ(dump(2, 4).first, (std::vector<uint64_t>{2, 3, 4, 5}));
  EXPECT_TRUE(dump(end_, 4).first.empty());
}

}  // namespace
}  // namespace weir::journal

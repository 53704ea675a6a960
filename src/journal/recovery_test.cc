#include "journal/recovery.h"

#include <gtest/gtest.h>

#include "testing/disk/faulty_file_system.h"
#include "testing/journal/plain_journal.h"

namespace weir::journal {
namespace {

using base::ErrorCode;
using testing::FaultyFileSystem;
using testing::PlainJournal;

constexpr const char* kFirst = "journal/00000000000000000000.seg";

// Every combination has one decision; this is the table of docs/formats/journal.md.
TEST(DecideTail, HasOneDecisionForEveryCombination) {
  for (const bool newest : {false, true}) {
    for (const bool closed : {false, true}) {
      for (const bool full_size : {false, true}) {
        for (const Rest rest : {Rest::kZeros, Rest::kUnproven, Rest::kProven}) {
          for (const bool reached : {false, true}) {
            TailDecision expected = TailDecision::kDamaged;
            if (!newest) {
              if (closed && rest == Rest::kZeros) expected = TailDecision::kEnd;
            } else if (rest == Rest::kZeros && (closed || full_size)) {
              expected = reached ? TailDecision::kMissing : TailDecision::kEnd;
            } else if (rest == Rest::kUnproven && !closed && full_size && !reached) {
              expected = TailDecision::kTorn;
            }
            EXPECT_EQ(DecideTail({newest, closed, full_size, rest, reached}), expected)
                << newest << closed << full_size << static_cast<int>(rest) << reached;
          }
        }
      }
    }
  }
}

PlainJournal::Options WithReach(uint64_t end) {
  PlainJournal::Options options;
  options.reaches = {{Offset(end), "a task's cursor"}};
  return options;
}

// A journal of one segment: groups of five records each, and where each begins.
struct Written {
  std::unique_ptr<FaultyFileSystem> disk = std::make_unique<FaultyFileSystem>(7);
  std::vector<uint64_t> groups;  // positions; the last is the end
};
Written WriteGroups(size_t count, bool seal = false) {
  Written written;
  PlainJournal journal(*written.disk, {});
  EXPECT_TRUE(journal.Open());
  for (size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(journal.Append(5));
    written.groups.push_back(journal.writer().position());
  }
  written.groups.insert(written.groups.begin(), kSegmentHeaderBytes);
  if (seal) {
    EXPECT_TRUE(journal.Seal());
  }
  written.disk->Kill();
  return written;
}

std::string Damage(std::string bytes, uint64_t at) {
  bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
  return bytes;
}

TEST(Recovery, StartsEmptyAndGoesOn) {
  FaultyFileSystem disk(1);
  for (const uint64_t before : {0u, 7u, 14u}) {
    PlainJournal journal(disk, {});
    ASSERT_TRUE(journal.Open());
    EXPECT_EQ(journal.durable(), before);
    ASSERT_TRUE(journal.Append(7));
    EXPECT_EQ(journal.IntactUpTo(), before + 7);
    disk.Kill();
  }
}

// Whatever byte of the last group is wrong: the group was never acknowledged, as far as anybody
// knows, so it goes, and its bytes are kept.
TEST(Recovery, CutsOffATornLastGroupAndKeepsItsBytes) {
  const Written written = WriteGroups(3);
  const std::string whole = written.disk->Contents(kFirst);
  const uint64_t begin = written.groups[2];
  for (uint64_t at = begin; at < begin + kFrameHeaderBytes + 5 * kEntryBytes + 40; ++at) {
    SCOPED_TRACE(at);
    written.disk->SetContents(kFirst, Damage(whole, at));
    PlainJournal journal(*written.disk, {});
    ASSERT_TRUE(journal.Open());
    EXPECT_EQ(journal.durable(), 10u);
    ASSERT_FALSE(journal.recovered().torn_file.empty());
    const std::string torn = written.disk->Contents("journal/" + journal.recovered().torn_file);
    EXPECT_EQ(torn, Damage(whole, at).substr(begin, torn.size()));
    EXPECT_EQ(torn.size(), journal.recovered().torn_bytes);
    ASSERT_TRUE(journal.Append(3));
    EXPECT_EQ(journal.IntactUpTo(), 13u);
    written.disk->Kill();
  }
}

// The same damage where somebody has seen the records is corruption: nothing is cut off.
TEST(Recovery, RefusesADamagedLastGroupThatACursorReaches) {
  const Written written = WriteGroups(3);
  const std::string damaged = Damage(written.disk->Contents(kFirst), written.groups[2] + 200);
  written.disk->SetContents(kFirst, damaged);
  PlainJournal journal(*written.disk, WithReach(11));
  const auto opened = journal.Open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorruption);
  EXPECT_NE(opened.error().message.find("offsets 10 to 10"), std::string::npos)
      << opened.error().message;
  EXPECT_EQ(written.disk->Contents(kFirst), damaged);
  EXPECT_EQ(written.disk->Contents(std::string(kFirst) + ".damaged"), damaged);
}

TEST(Recovery, RefusesDamageBeforeTheLastGroup) {
  const Written written = WriteGroups(3);
  const std::string whole = written.disk->Contents(kFirst);
  for (uint64_t at = 0; at < written.groups[2]; at += 13) {
    if (whole[at] == '\0' && at % kSectorBytes > 300) continue;  // may be padding, see verify
    SCOPED_TRACE(at);
    written.disk->SetContents(kFirst, Damage(whole, at));
    PlainJournal journal(*written.disk, {});
    const auto opened = journal.Open();
    if (opened) {
      // Padding between frames carries nothing.
      EXPECT_EQ(journal.IntactUpTo(), 15u);
      EXPECT_EQ(whole[at], '\0');
    } else {
      EXPECT_EQ(opened.error().code, ErrorCode::kCorruption);
    }
    EXPECT_EQ(written.disk->Contents(kFirst), Damage(whole, at));
    written.disk->Kill();
  }
}

TEST(Recovery, RefusesAMissingEndThatACursorReaches) {
  const Written written = WriteGroups(3);
  std::string lost = written.disk->Contents(kFirst);
  std::fill(lost.begin() + static_cast<ptrdiff_t>(written.groups[2]), lost.end(), '\0');
  written.disk->SetContents(kFirst, lost);
  PlainJournal reached(*written.disk, WithReach(15));
  const auto opened = reached.Open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorruption);
  EXPECT_NE(opened.error().message.find("offsets 10 to 14 are missing"), std::string::npos)
      << opened.error().message;
  PlainJournal unreached(*written.disk, WithReach(10));
  EXPECT_TRUE(unreached.Open());
}

TEST(Recovery, RefusesAGroupBeforeASealThatIsDamaged) {
  const Written written = WriteGroups(3, true);
  const std::string whole = written.disk->Contents(kFirst);
  written.disk->SetContents(kFirst, Damage(whole, written.groups[2] + 200));
  PlainJournal journal(*written.disk, {});
  EXPECT_EQ(journal.Open().error().code, ErrorCode::kCorruption);
}

// A seal proves what is before it; damaged itself, it is not to take the group after it along.
TEST(Recovery, RefusesADamagedSealThatAGroupFollows) {
  const Written written = WriteGroups(1, true);
  {
    PlainJournal journal(*written.disk, {});
    ASSERT_TRUE(journal.Open());
    EXPECT_TRUE(journal.recovered().sealed);
    ASSERT_TRUE(journal.Append(5));
    written.disk->Kill();
  }
  const std::string whole = written.disk->Contents(kFirst);
  written.disk->SetContents(kFirst, Damage(whole, written.groups[1] + 20));
  PlainJournal journal(*written.disk, {});
  EXPECT_EQ(journal.Open().error().code, ErrorCode::kCorruption);
  EXPECT_EQ(written.disk->Contents(kFirst), Damage(whole, written.groups[1] + 20));
}

TEST(Recovery, TellsGarbageFarBehindTheEndFromATornWrite) {
  const Written written = WriteGroups(2);
  std::string bytes = written.disk->Contents(kFirst);
  const uint64_t reach = Writer::GroupBytesMax({});
  bytes.resize(written.groups[2] + reach + 2 * kSectorBytes, '\0');
  SegmentHeader header = DecodeSegmentHeader(bytes).value();
  header.segment_bytes = bytes.size();
  EncodeSegmentHeader(header, bytes.data());
  written.disk->SetContents(kFirst, Damage(bytes, written.groups[2] + reach - 1));
  {
    PlainJournal journal(*written.disk, {});
    ASSERT_TRUE(journal.Open());
    EXPECT_EQ(journal.recovered().torn_bytes, reach);
    written.disk->Kill();
  }
  written.disk->SetContents(kFirst, Damage(bytes, written.groups[2] + reach));
  PlainJournal journal(*written.disk, {});
  EXPECT_EQ(journal.Open().error().code, ErrorCode::kCorruption);
}

TEST(Recovery, RefusesAShortenedSegment) {
  const Written written = WriteGroups(3);
  const std::string whole = written.disk->Contents(kFirst);
  for (const uint64_t size : {written.groups[3], written.groups[2], uint64_t{600}, uint64_t{100}}) {
    written.disk->SetContents(kFirst, whole.substr(0, size));
    PlainJournal journal(*written.disk, {});
    EXPECT_EQ(journal.Open().error().code, ErrorCode::kCorruption) << size;
  }
}

class RecoveryOfSegments : public ::testing::Test {
 protected:
  RecoveryOfSegments() {
    PlainJournal journal(disk_, {});
    EXPECT_TRUE(journal.Open());
    while (journal.segments().segments().size() < 4) EXPECT_TRUE(journal.Append(50));
    end_ = journal.durable();
    for (const auto& segment : journal.segments().segments()) {
      names_.push_back("journal/" + SegmentName(segment.first));
    }
    disk_.Kill();
  }
  ErrorCode OpenError() {
    PlainJournal journal(disk_, {});
    const auto opened = journal.Open();
    disk_.Kill();
    return opened ? ErrorCode::kUnsupported : opened.error().code;
  }

  FaultyFileSystem disk_{3};
  uint64_t end_ = 0;
  std::vector<std::string> names_;
};

TEST_F(RecoveryOfSegments, ReadsAcrossThem) {
  PlainJournal journal(disk_, {});
  ASSERT_TRUE(journal.Open());
  EXPECT_EQ(journal.IntactUpTo(), end_);
}

TEST_F(RecoveryOfSegments, RefusesAMissingOneAmongThem) {
  for (size_t i = 0; i < 3; ++i) {
    const std::string bytes = disk_.Contents(names_[i]);
    ASSERT_TRUE(disk_.Remove(names_[i]));
    EXPECT_EQ(OpenError(), ErrorCode::kCorruption) << i;
    disk_.SetContents(names_[i], bytes);
  }
}

TEST_F(RecoveryOfSegments, RefusesOneWithoutItsFooter) {
  const std::string bytes = disk_.Contents(names_[1]);
  disk_.SetContents(names_[1], bytes.substr(0, bytes.size() - kSectorBytes));
  EXPECT_EQ(OpenError(), ErrorCode::kCorruption);
  disk_.SetContents(names_[1], Damage(bytes, bytes.size() - kSectorBytes + 30));
  EXPECT_EQ(OpenError(), ErrorCode::kCorruption);
}

TEST_F(RecoveryOfSegments, RefusesOneInTheOthersPlace) {
  disk_.SetContents(names_[2], disk_.Contents(names_[1]));
  EXPECT_EQ(OpenError(), ErrorCode::kCorruption);
}

TEST_F(RecoveryOfSegments, ReadsWithoutAnIndexThatIsDamaged) {
  const std::string bytes = disk_.Contents(names_[1]);
  const uint64_t index_at = bytes.size() - 2 * kSectorBytes;
  disk_.SetContents(names_[1], Damage(bytes, index_at + kFrameHeaderBytes));
  PlainJournal journal(disk_, {});
  ASSERT_TRUE(journal.Open());
  EXPECT_EQ(journal.IntactUpTo(), end_);
}

}  // namespace
}  // namespace weir::journal

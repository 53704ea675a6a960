// Losses of power, failing calls and a full disk, against the writer and recovery alone: one
// thread, so that every call can be made the one that fails, and a failure is reproduced by its
// seed.
#include <gtest/gtest.h>

#include <random>

#include "testing/disk/faulty_file_system.h"
#include "testing/journal/plain_journal.h"

namespace weir::journal {
namespace {

using base::ErrorCode;
using testing::FaultyFileSystem;
using testing::PlainJournal;

PlainJournal::Options SmallGroups() {
  PlainJournal::Options options;
  options.writer.batch_bytes_max = 16u << 10;
  options.writer.batch_records_max = 64;
  return options;
}

// Works until something fails or the script ends. `acknowledged` is what was durable: it survives.
base::Status Work(PlainJournal& journal, std::mt19937_64& random, uint64_t steps,
                  uint64_t* acknowledged) {
  WEIR_RETURN_IF_ERROR(journal.Open());
  *acknowledged = std::max(*acknowledged, journal.durable());
  for (uint64_t i = 0; i < steps; ++i) {
    switch (random() % 10) {
      case 0:
        WEIR_RETURN_IF_ERROR(journal.reserve().Advance(random() % (64u << 10)));
        break;
      case 1:
        WEIR_RETURN_IF_ERROR(journal.Seal());
        break;
      default:
        WEIR_RETURN_IF_ERROR(journal.Append(1 + random() % 60));
        break;
    }
    *acknowledged = journal.durable();
  }
  return {};
}

// Opens after whatever happened: every acknowledged record is there and none is half there, and it
// goes on from there.
void ExpectRecovered(FaultyFileSystem& disk, uint64_t acknowledged) {
  PlainJournal::Options options = SmallGroups();
  options.reaches = {{Offset(acknowledged), "a task's cursor"}};
  PlainJournal journal(disk, options);
  const auto opened = journal.Open();
  ASSERT_TRUE(opened) << base::ToString(opened.error());
  ASSERT_GE(journal.durable(), acknowledged);
  ASSERT_EQ(journal.IntactUpTo(), journal.durable());
  const uint64_t before = journal.durable();
  ASSERT_TRUE(journal.Append(3));
  ASSERT_EQ(journal.IntactUpTo(), before + 3);
}

#ifdef WEIR_SANITIZED
constexpr uint64_t kSeeds = 100;
#else
constexpr uint64_t kSeeds = 1000;
#endif

// 10,000 seeds in ten parts, a tenth of them under a sanitizer.
class PowerLosses : public ::testing::TestWithParam<uint64_t> {};

TEST_P(PowerLosses, KeepEverythingAcknowledgedAndNothingHalf) {
  for (uint64_t seed = GetParam() * kSeeds; seed < (GetParam() + 1) * kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    FaultyFileSystem disk(seed);
    std::mt19937_64 random(seed);
    uint64_t acknowledged = 0;
    for (int loss = 0; loss < 2; ++loss) {
      PlainJournal journal(disk, SmallGroups());
      disk.CutPowerAtCall(disk.calls() + random() % 150);
      const auto worked = Work(journal, random, 25, &acknowledged);
      ASSERT_TRUE(worked || disk.power_is_off()) << base::ToString(worked.error());
      disk.LosePower();
    }
    ExpectRecovered(disk, acknowledged);
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Parts, PowerLosses, ::testing::Range<uint64_t>(0, 10));

// The process dies while the machine lives: nothing that was written is lost, and what recovery
// found is durable, even if the sync before had failed.
TEST(PowerLoss, AfterAFailedSyncAndARestartLosesNothingThatRecoveryFound) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    FaultyFileSystem disk(seed);
    std::mt19937_64 random(seed);
    uint64_t acknowledged = 0;
    {
      PlainJournal journal(disk, SmallGroups());
      disk.FailCall(10 + random() % 120, ErrorCode::kIo);
      (void)Work(journal, random, 25, &acknowledged);
      disk.Kill();
    }
    uint64_t found = 0;
    {
      PlainJournal journal(disk, SmallGroups());
      const auto opened = journal.Open();
      ASSERT_TRUE(opened) << base::ToString(opened.error());
      found = journal.durable();
      ASSERT_GE(found, acknowledged);
    }
    disk.LosePower();
    ExpectRecovered(disk, found);
    if (HasFatalFailure()) return;
  }
}

// Each call of the seam in turn fails once, with EIO and with ENOSPC, in the middle of ordinary
// work over several segments and a restart.
class EveryCall : public ::testing::TestWithParam<ErrorCode> {};

TEST_P(EveryCall, MayFailAndNothingAcknowledgedIsLost) {
  constexpr uint64_t kSeed = 11;
  uint64_t calls = 0;
  uint64_t refused = 0;
  for (uint64_t failing = 0; failing == 0 || failing < calls; ++failing) {
    SCOPED_TRACE(failing);
    FaultyFileSystem disk(kSeed);
    std::mt19937_64 random(kSeed);
    if (failing > 0) disk.FailCall(failing - 1, GetParam());
    uint64_t acknowledged = 0;
    bool failed = false;
    for (int start = 0; start < 2; ++start) {
      PlainJournal journal(disk, SmallGroups());
      const auto worked = Work(journal, random, 25, &acknowledged);
      if (!worked) failed = true;
      if (!worked && worked.error().code == ErrorCode::kNoSpace) ++refused;
      disk.Kill();
    }
    if (failing == 0) {
      ASSERT_FALSE(failed);
      calls = disk.calls();
    }
    ExpectRecovered(disk, acknowledged);
    if (HasFatalFailure()) return;
    disk.LosePower();
    ExpectRecovered(disk, acknowledged);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(calls, 100u);
  if (GetParam() == ErrorCode::kNoSpace) {
    EXPECT_GT(refused, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Errors, EveryCall, ::testing::Values(ErrorCode::kIo, ErrorCode::kNoSpace),
                         [](const auto& param) { return std::string(base::Name(param.param)); });

// It is asked for after the segment's zeros were written and synced.
TEST(MemoryThatIsNotGivenBack, DoesNoHarm) {
  FaultyFileSystem disk(7);
  PlainJournal journal(disk, SmallGroups());
  ASSERT_TRUE(journal.Open());
  constexpr uint64_t kAll = 64u << 10;
  ASSERT_TRUE(journal.reserve().Advance(kAll));  // makes the file
  disk.FailCall(disk.calls() + 2, ErrorCode::kIo);
  const auto filled = journal.reserve().Advance(kAll);
  ASSERT_TRUE(filled) << base::ToString(filled.error());
  EXPECT_TRUE(journal.Append(3));
}

TEST(FullDisk, RefusesWhatNeedsASegmentAndResumesWhenThereIsSpace) {
  FaultyFileSystem disk(5);
  PlainJournal journal(disk, SmallGroups());
  disk.SetCapacity(200u << 10);  // three segments of 64 KiB, closed ones being shorter
  ASSERT_TRUE(journal.Open());
  base::Status status;
  while (status) status = journal.Append(20);
  ASSERT_EQ(status.error().code, ErrorCode::kNoSpace);
  const uint64_t stored = journal.durable();
  EXPECT_TRUE(journal.reserve().no_space());
  EXPECT_EQ(journal.IntactUpTo(), stored);
  // Refused at once while the pause lasts: the disk is not asked.
  const uint64_t calls = disk.calls();
  EXPECT_EQ(journal.Append(1).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(disk.calls(), calls);
  journal.clock().AdvanceNs(Reserve::kRetryNs);
  EXPECT_EQ(journal.Append(1).error().code, ErrorCode::kNoSpace);
  EXPECT_GT(disk.calls(), calls);

  disk.SetCapacity(UINT64_MAX);
  journal.clock().AdvanceNs(Reserve::kRetryNs);
  ASSERT_TRUE(journal.Append(50));
  EXPECT_FALSE(journal.reserve().no_space());
  EXPECT_EQ(journal.IntactUpTo(), stored + 50);
  disk.LosePower();
  ExpectRecovered(disk, stored + 50);
}

}  // namespace
}  // namespace weir::journal

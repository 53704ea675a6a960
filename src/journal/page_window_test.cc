#include "journal/page_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "testing/journal/journal_fixture.h"

namespace weir::journal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr uint64_t kPiece = PageWindow::kPieceBytes;

// Notes what is forgotten of it.
class NotingFile final : public io::File {
 public:
  base::Result<size_t> ReadAt(uint64_t, std::span<char>) const override { return size_t{0}; }
  base::Status WriteAt(uint64_t, std::span<const std::string_view>) override { return {}; }
  base::Status SyncData() override { return {}; }
  base::Status Allocate(uint64_t) override { return {}; }
  base::Status Truncate(uint64_t) override { return {}; }
  base::Status ForgetCached(uint64_t at, uint64_t size) override {
    forgotten.emplace_back(at, size);
    return base::Fail(base::ErrorCode::kIo, "which does no harm");
  }
  base::Result<uint64_t> Size() const override { return uint64_t{0}; }

  std::vector<std::pair<uint64_t, uint64_t>> forgotten;
};

TEST(PageWindow, ForgetsWhatLiesFurtherBackThanItsBound) {
  const auto file = std::make_shared<NotingFile>();
  PageWindow window(2 * kPiece);
  window.Written(file, 512);
  window.Written(file, 3 * kPiece - 1);
  EXPECT_THAT(file->forgotten, IsEmpty());
  window.Written(file, 3 * kPiece);
  EXPECT_THAT(file->forgotten, ElementsAre(Pair(0, kPiece)));
  window.Written(file, 5 * kPiece);
  EXPECT_THAT(file->forgotten,
              ElementsAre(Pair(0, kPiece), Pair(kPiece, kPiece), Pair(2 * kPiece, kPiece)));
}

TEST(PageWindow, GoesFromFileToFileAndLetsGoOfThoseItHasPassed) {
  auto first = std::make_shared<NotingFile>();
  const auto second = std::make_shared<NotingFile>();
  PageWindow window(kPiece);
  window.Written(first, kPiece + 1000);
  window.Written(second, kPiece);
  EXPECT_THAT(first->forgotten, ElementsAre(Pair(0, kPiece)));
  EXPECT_EQ(first.use_count(), 2);
  window.Written(second, 2 * kPiece);
  EXPECT_THAT(first->forgotten, ElementsAre(Pair(0, kPiece), Pair(kPiece, 1000)));
  EXPECT_EQ(first.use_count(), 1);
  EXPECT_THAT(second->forgotten, ElementsAre(Pair(0, kPiece)));
}

TEST(PageWindow, HoldsSoManyFilesHoweverSmallTheyAre) {
  std::vector<std::shared_ptr<NotingFile>> files;
  PageWindow window(UINT64_MAX);
  for (size_t i = 0; i < PageWindow::kFilesMax + 3; ++i) {
    files.push_back(std::make_shared<NotingFile>());
    window.Written(files.back(), kPiece + 1000);
  }
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(files[i]->forgotten, ElementsAre(Pair(0, kPiece), Pair(kPiece, 1000)));
    EXPECT_EQ(files[i].use_count(), 1);
  }
  EXPECT_THAT(files[3]->forgotten, IsEmpty());
  EXPECT_EQ(files[3].use_count(), 2);
}

class PageWindowOfAJournal : public testing::JournalFixture {};

TEST_F(PageWindowOfAJournal, LosesNothing) {
  Options options = Small();
  options.cached_bytes_max = 0;
  ASSERT_TRUE(Open(options));
  StoreAll(0, 3000);
  ExpectRecords(3000);
  ASSERT_TRUE(journal_->Stop());
  ASSERT_TRUE(Open(options));
  EXPECT_TRUE(journal_->recovery().sealed);
  ExpectRecords(3000);
}

}  // namespace
}  // namespace weir::journal

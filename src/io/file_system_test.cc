// What every file system behind the seam promises: the operating system's, and its faulty twin.
#include "io/file_system.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "io/posix_file_system.h"
#include "testing/disk/faulty_file_system.h"

namespace weir::io {
namespace {

using base::ErrorCode;

enum class Kind { kPosix, kFaulty };

class FileSystemTest : public ::testing::TestWithParam<Kind> {
 protected:
  FileSystemTest() {
    if (GetParam() == Kind::kPosix) {
      std::string pattern = ::testing::TempDir() + "weir-io-XXXXXX";
      root_ = mkdtemp(pattern.data());
    } else {
      root_ = "root";
      EXPECT_TRUE(faulty_.MakeDirectories(root_));
    }
  }
  ~FileSystemTest() override {
    if (GetParam() == Kind::kPosix) std::filesystem::remove_all(root_);
  }
  FileSystem& files() {
    return GetParam() == Kind::kPosix ? PosixFileSystem() : static_cast<FileSystem&>(faulty_);
  }
  std::string In(const std::string& name) const { return JoinPath(root_, name); }
  std::string Read(const std::string& name) {
    return ReadWhole(files(), In(name), 1u << 20).value_or("");
  }

  testing::FaultyFileSystem faulty_{1};
  std::string root_;
};

TEST_P(FileSystemTest, OpensAsItIsTold) {
  EXPECT_EQ(files().Open(In("a"), OpenMode::kRead).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files().Open(In("a"), OpenMode::kReadWrite).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(files().Open(In("a"), OpenMode::kCreateNew).value()->WriteAt(0, "kept"));
  EXPECT_EQ(files().Open(In("a"), OpenMode::kCreateNew).error().code, ErrorCode::kAlreadyExists);
  ASSERT_TRUE(files().Open(In("a"), OpenMode::kCreate));
  EXPECT_EQ(Read("a"), "kept");
  EXPECT_EQ(files().Open(In("none/a"), OpenMode::kCreate).error().code, ErrorCode::kNotFound);
}

TEST_P(FileSystemTest, WritesPartsAtAnyPlaceAndReadsThemBack) {
  const auto file = files().Open(In("a"), OpenMode::kCreate).value();
  std::vector<std::string> texts;
  std::string whole;
  for (int i = 0; i < 200; ++i)
    whole += texts.emplace_back(static_cast<size_t>(i % 5), 'a' + i % 26);
  const std::vector<std::string_view> parts(texts.begin(), texts.end());
  ASSERT_TRUE(file->WriteAt(10, parts));
  EXPECT_EQ(file->Size().value(), 10 + whole.size());
  std::string got(whole.size() + 100, 'x');
  EXPECT_EQ(file->ReadAt(10, got).value(), whole.size());
  EXPECT_EQ(got.substr(0, whole.size()), whole);
  EXPECT_EQ(file->ReadAt(0, {got.data(), 10}).value(), 10u);
  EXPECT_EQ(got.substr(0, 10), std::string(10, '\0'));
  EXPECT_EQ(file->ReadAt(10 + whole.size(), got).value(), 0u);
  EXPECT_EQ(file->ReadAt(1u << 20, got).value(), 0u);
  ASSERT_TRUE(file->SyncData());
  ASSERT_TRUE(file->ForgetCached(0, 10 + whole.size()));
  EXPECT_EQ(file->ReadAt(10, got).value(), whole.size());
  EXPECT_EQ(got.substr(0, whole.size()), whole);
}

TEST_P(FileSystemTest, ReservesAndTruncates) {
  const auto file = files().Open(In("a"), OpenMode::kCreate).value();
  ASSERT_TRUE(file->WriteAt(0, "12345"));
  ASSERT_TRUE(file->Allocate(100'000));
  EXPECT_EQ(file->Size().value(), 100'000u);
  ASSERT_TRUE(file->Allocate(10));
  EXPECT_EQ(file->Size().value(), 100'000u);
  EXPECT_EQ(Read("a"), "12345" + std::string(99'995, '\0'));
  ASSERT_TRUE(file->Truncate(3));
  EXPECT_EQ(Read("a"), "123");
}

TEST_P(FileSystemTest, ListsRenamesAndRemoves) {
  for (const char* name : {"b", "a", "c"}) {
    ASSERT_TRUE(files().Open(In(name), OpenMode::kCreate).value()->WriteAt(0, name));
  }
  ASSERT_TRUE(files().MakeDirectories(In("d/e/f")));
  ASSERT_TRUE(files().MakeDirectories(In("d/e/f")));
  EXPECT_EQ(files().List(root_).value(), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(files().List(In("none")).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(files().Rename(In("a"), In("c")));
  EXPECT_EQ(files().List(root_).value(), (std::vector<std::string>{"b", "c", "d"}));
  EXPECT_EQ(Read("c"), "a");
  EXPECT_EQ(files().Rename(In("a"), In("x")).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(files().Remove(In("b")));
  EXPECT_EQ(files().Remove(In("b")).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(files().Exists(In("c")).value());
  EXPECT_TRUE(files().Exists(In("d/e")).value());
  EXPECT_FALSE(files().Exists(In("b")).value());
  ASSERT_TRUE(files().SyncDirectory(root_));
  EXPECT_GT(files().FreeBytes(root_).value(), 0u);
}

TEST_P(FileSystemTest, KeepsAFileThatIsOpenAfterItsNameIsGone) {
  const auto file = files().Open(In("a"), OpenMode::kCreate).value();
  ASSERT_TRUE(file->WriteAt(0, "still"));
  ASSERT_TRUE(files().Remove(In("a")));
  std::string got(5, '\0');
  EXPECT_EQ(file->ReadAt(0, got).value(), 5u);
  EXPECT_EQ(got, "still");
}

TEST_P(FileSystemTest, LocksADirectoryOnceUntilReleased) {
  {
    const auto lock = files().Lock(root_);
    ASSERT_TRUE(lock);
    EXPECT_EQ(files().Lock(root_).error().code, ErrorCode::kUnavailable);
  }
  EXPECT_TRUE(files().Lock(root_));
}

TEST_P(FileSystemTest, ReplacesAndCopiesWholeFiles) {
  ASSERT_TRUE(ReplaceWhole(files(), root_, "a", "one"));
  ASSERT_TRUE(ReplaceWhole(files(), root_, "a", "another"));
  EXPECT_EQ(Read("a"), "another");
  EXPECT_EQ(ReadWhole(files(), In("a"), 6).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(ReadWhole(files(), In("none"), 6).error().code, ErrorCode::kNotFound);
  const std::string large(3u << 20, 'l');
  ASSERT_TRUE(ReplaceWhole(files(), root_, "large", large));
  const auto copied = CopyWhole(files(), In("large"), root_, "copy");
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->bytes, large.size());
  EXPECT_EQ(ReadWhole(files(), In("copy"), 4u << 20).value(), large);
}

INSTANTIATE_TEST_SUITE_P(Kinds, FileSystemTest, ::testing::Values(Kind::kPosix, Kind::kFaulty),
                         [](const auto& param) {
                           return param.param == Kind::kPosix ? "Posix" : "Faulty";
                         });

TEST(PosixFileSystem, MakesFilesAndDirectoriesForTheirOwnerAlone) {
  std::string pattern = ::testing::TempDir() + "weir-io-XXXXXX";
  const std::string root = mkdtemp(pattern.data());
  ASSERT_TRUE(PosixFileSystem().MakeDirectories(root + "/x/y"));
  ASSERT_TRUE(PosixFileSystem().Open(root + "/x/y/file", OpenMode::kCreateNew));
  struct stat info;
  ASSERT_EQ(::stat((root + "/x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat((root + "/x/y/file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  std::filesystem::remove_all(root);
}

// A replacement survives a loss of power whole, and an interrupted one leaves what was there.
TEST(ReplaceWhole, LeavesOldOrNewWheneverThePowerFails) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    testing::FaultyFileSystem disk(seed);
    ASSERT_TRUE(disk.MakeDirectories("d"));
    ASSERT_TRUE(ReplaceWhole(disk, "d", "f", "old"));
    disk.CutPowerAtCall(disk.calls() + seed % 8);
    const bool done = ReplaceWhole(disk, "d", "f", "new").has_value();
    disk.LosePower();
    const auto got = ReadWhole(disk, "d/f", 100);
    ASSERT_TRUE(got);
    ASSERT_TRUE(*got == "new" || (!done && *got == "old")) << *got;
  }
}

}  // namespace
}  // namespace weir::io

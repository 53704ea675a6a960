#include "observe/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "observe/log_output.h"
#include "testing/disk/virtual_clock.h"

namespace weir::observe {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

;

class LogTest : public ::testing::Test {
 protected:
  std::unique_ptr<Log> Open(LogOptions options = {}) {
    options.sink = [this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    };
    return Log::Open(clock_, options).value();
  }
  std::vector<std::string> Lines(Log& log) {
    log.Flush();
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  testing::VirtualClock clock_{0};
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  const auto log = Open();
  log->Warn("journal.torn", "the \"last\" batch was torn",
            {AtOffset(base::Offset(41)), Bytes(118), Value("ratio", 0.5), Flag("sealed", false),
             Word("state", "stalled"), Listening("::1", 8080), Signal(SIGTERM), Errno(ENOSPC)});
  EXPECT_THAT(Lines(*log),
              ::testing::ElementsAre(
                  "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\","
                  "\"event\":\"journal.torn\",\"message\":\"the \\\"last\\\" batch was torn\","
                  "\"offset\":41,\"bytes\":118,\"ratio\":0.5,\"sealed\":false,"
                  "\"state\":\"stalled\",\"address\":\"[::1]:8080\",\"signal\":\"SIGTERM\","
                  "\"errno\":\"ENOSPC\"}\n"));
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevelUntilThatChanges) {
  const auto log = Open({.level = Level::kError});
  log->Warn("a", "not seen");
  log->SetLevel(Level::kDebug);
  log->Debug("b", "seen");
  EXPECT_EQ(Lines(*log).size(), 1u);
}

TEST_F(LogTest, HoldsBackAnEventThatRepeatsAndSaysHowOften) {
  const auto log = Open({.burst = 3, .per_second = 1});
  for (int i = 0; i < 10; ++i) log->Info("flood", "again");
  log->Info("other", "another event has its own measure");
  EXPECT_EQ(Lines(*log).size(), 4u);
  EXPECT_EQ(log->stats().suppressed, 7u);
  clock_.AdvanceMs(1'000);
  log->Info("flood", "again");
  log->Info("flood", "again");
  const auto lines = Lines(*log);
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_THAT(lines.back(), HasSubstr("\"suppressed\":7}"));
}

TEST_F(LogTest, DropsAndCountsWhatASlowOutputDoesNotTake) {
  std::mutex gate;
  gate.lock();
  LogOptions options{.burst = 1'000'000};
  options.sink = [&](std::string_view) { const std::lock_guard wait(gate); };
  const auto log = Log::Open(clock_, options).value();
  for (int i = 0; i < 20'000; ++i) log->Info("flood", "again");  // returns, although nobody reads
  EXPECT_GE(log->stats().dropped, 20'000u - 8192 - 1);
  gate.unlock();
  log->Flush();
  EXPECT_EQ(log->stats().lines + log->stats().dropped, 20'000u);
  log->Info("flood", "after it recovered");
  log->Flush();
  EXPECT_EQ(log->stats().lines + log->stats().dropped, 20'001u);
}

TEST_F(LogTest, KeepsItsFilesWithinTheirBound) {
  const fs::path directory =
      fs::path(::testing::TempDir()) / ("weir-log-" + std::to_string(getpid()));
  fs::create_directories(directory);
  {
    LogOptions options{.file = (directory / "weir.log").string(),
                       .file_bytes_max = 4096,
                       .files_max = 3,
                       .burst = 1'000'000};
    const auto log = Log::Open(clock_, options).value();
    for (int i = 0; i < 1000; ++i)
      log->Info("flood", "again", {Count("number", static_cast<uint64_t>(i))});
    log->Flush();
  }
  uintmax_t bytes = 0;
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(directory)) {
    bytes += entry.file_size();
    ++files;
  }
  EXPECT_EQ(files, 3u);
  EXPECT_LE(bytes, 3u * 4096u);
  std::ifstream newest(directory / "weir.log");
  std::string line, last;
  while (std::getline(newest, line)) last = line;
  EXPECT_THAT(last, HasSubstr("\"number\":999}"));
  fs::remove_all(directory);
}

TEST_F(LogTest, SaysWhichFileItCannotOpen) {
  const auto log = Log::Open(clock_, {.file = "/proc/none/weir.log"});
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().message, HasSubstr("/proc/none/weir.log"));
}

// Whoever reads stderr may stop reading; the program must not stop for that.
TEST(DescriptorOutput, LosesLinesRatherThanWaitForAStuckReader) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const auto output = DescriptorOutput(ends[1], 1);
  const std::string line = std::string(1000, 'x') + "\n";
  int written = 0;
  while (output->Write(line)) ASSERT_LT(++written, 10'000) << "a pipe is never that large";
  EXPECT_FALSE(output->Write(line));
  std::string read_back(1 << 20, '\0');
  const ssize_t size = read(ends[0], read_back.data(), read_back.size());
  ASSERT_GT(size, 0);
  EXPECT_TRUE(output->Write("after\n")) << "it goes on once somebody reads";
  const ssize_t more = read(ends[0], read_back.data(), read_back.size());
  EXPECT_THAT(read_back.substr(0, static_cast<size_t>(more)), ::testing::EndsWith("after\n"));
  close(ends[0]);
  close(ends[1]);
}

TEST(Level, ReadsWhatItWrites) {
  for (const Level level :
       {Level::kDebug, Level::kInfo, Level::kWarn, Level::kError, Level::kOff}) {
    EXPECT_EQ(ParseLevel(Name(level)).value(), level);
  }
  EXPECT_FALSE(ParseLevel("loud"));
}

}  // namespace
}  // namespace weir::observe

#include "observe/cpu_meter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

namespace weir::observe {
namespace {

constexpr int64_t kMs = 1'000'000;

class CpuMeterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(::testing::TempDir()) /
            (std::string("cpu_meter_") +
             ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(root_);
    Write("stat", "cpu  100 0 100 1000 0 0 0 0 0 0\n");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const auto file = root_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  CpuMeter Make() const {
    return CpuMeter(
        {.cgroups = root_ / "cgroup", .own_cgroup = root_ / "own", .machine = root_ / "stat"});
  }

  std::filesystem::path root_;
};

TEST_F(CpuMeterTest, QuotaOfVersionTwo) {
  Write("own", "0::/a/b\n");
  Write("cgroup/a/cpu.max", "50000 100000\n");
  Write("cgroup/a/cpu.stat", "usage_usec 1000\nuser_usec 1\n");
  Write("cgroup/a/b/cpu.max", "max 100000\n");
  Write("cgroup/a/b/cpu.stat", "usage_usec 7\n");
  CpuMeter meter = Make();
  EXPECT_STREQ(meter.source(), "cgroup v2");
  EXPECT_DOUBLE_EQ(meter.processors(), 0.5);
  EXPECT_EQ(meter.Sample(0), 0);
  Write("cgroup/a/cpu.stat", "usage_usec 46000\n");
  EXPECT_EQ(meter.Sample(100 * kMs), 900);  // 45 of 50 ms
  EXPECT_EQ(meter.Sample(100 * kMs), 0);
}

TEST_F(CpuMeterTest, QuotaOfVersionOneAtTheMountsRoot) {
  Write("own", "4:cpu,cpuacct:/docker/0123\n1:name=systemd:/\n");
  Write("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "25000\n");
  Write("cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  Write("cgroup/cpu,cpuacct/cpuacct.usage", "0\n");
  CpuMeter meter = Make();
  EXPECT_STREQ(meter.source(), "cgroup v1");
  EXPECT_DOUBLE_EQ(meter.processors(), 0.25);
  meter.Sample(0);
  Write("cgroup/cpu,cpuacct/cpuacct.usage", "12500000\n");
  EXPECT_EQ(meter.Sample(100 * kMs), 500);
}

TEST_F(CpuMeterTest, WithoutAQuotaTheMachineDecides) {
  Write("own", "4:cpu,cpuacct:/\n0::/\n");
  Write("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  Write("cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  CpuMeter meter = Make();
  EXPECT_STREQ(meter.source(), "machine");
  meter.Sample(0);
  Write("stat", "cpu  150 0 150 1000 0 0 0 0 0 0\n");
  const double busy_ms = 1000;  // 100 ticks of 10 ms
  EXPECT_EQ(meter.Sample(2'000 * kMs),
            std::min<int64_t>(1000, std::llround(busy_ms / 2'000 / meter.processors() * 1000)));
}

TEST_F(CpuMeterTest, OddFilesArePassedOver) {
  for (const std::string& own : {std::string("nonsense"), std::string("0::/a"), std::string(":::"),
                                 std::string("3:cpu:/x\n"), std::string()}) {
    SCOPED_TRACE(own);
    Write("own", own);
    Write("cgroup/a/cpu.max", "-5 0\n");
    Write("cgroup/cpu/x/cpu.cfs_quota_us", "many\n");
    CpuMeter meter = Make();
    EXPECT_STREQ(meter.source(), "machine");
  }
  Write("stat", "no such thing\n");
  CpuMeter meter = Make();
  EXPECT_STREQ(meter.source(), "process");
  EXPECT_EQ(meter.Sample(1), 0);
  EXPECT_LE(meter.Sample(1'000'000'000), 1000);
}

TEST_F(CpuMeterTest, FilesThatVanishSayNothing) {
  Write("own", "0::/a\n");
  Write("cgroup/a/cpu.max", "50000 100000\n");
  Write("cgroup/a/cpu.stat", "usage_usec 1000\n");
  CpuMeter meter = Make();
  meter.Sample(0);
  std::filesystem::remove_all(root_ / "cgroup");
  EXPECT_EQ(meter.Sample(100 * kMs), 0);
  Write("cgroup/a/cpu.stat", "usage_usec 26000\n");
  EXPECT_EQ(meter.Sample(200 * kMs), 0) << "there is nothing to compare with yet";
  Write("cgroup/a/cpu.stat", "usage_usec 51000\n");
  EXPECT_EQ(meter.Sample(300 * kMs), 500);
}

}  // namespace
}  // namespace weir::observe

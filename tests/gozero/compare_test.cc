// Our shedder and breaker beside go-zero's own code, decision by decision, over random events.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "guard/breaker.h"
#include "guard/gozero_shedder.h"

namespace weir::guard {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kMs = 1'000'000;

// Output of a command and its exit code.
std::pair<std::string, int> Execute(const std::string& command) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {"popen failed", -1};
  std::array<char, 4096> part;
  while (const size_t read = fread(part.data(), 1, part.size(), pipe)) {
    output.append(part.data(), read);
  }
  const int status = pclose(pipe);
  return {output, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

class GoZero : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "gozero.XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    const auto [said, code] = Execute("tests/gozero/build.sh " + name + "/gozero 2>&1");
    if (code == 77) GTEST_SKIP() << said;
    ASSERT_EQ(code, 0) << said;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Decide(const std::string& what, const std::string& events) {
    std::ofstream(directory_ / "events") << events;
    const std::string at = directory_.string();
    return Execute(at + "/gozero " + what + " <" + at + "/events").first;
  }

  std::filesystem::path directory_;
};

std::string Event(char kind, int64_t now_ns, const std::string& value) {
  return std::string(1, kind) + " " + std::to_string(now_ns) + " " + value + "\n";
}

template <typename Running>
typename Running::value_type TakeOut(Running& running, size_t index) {
  const auto taken = running[index];
  running[index] = running.back();
  running.pop_back();
  return taken;
}

// Loads that rise and fall over minutes, with pauses longer than the window.
struct Play {
  explicit Play(uint64_t seed) : random(seed) {}
  int64_t Below(int64_t end) { return std::uniform_int_distribution<int64_t>(0, end - 1)(random); }
  void Advance() {
    if (Below(5000) == 0) now_ns += Below(12) * kSecond;
    now_ns += Below((now_ns / kSecond / 7 % 3 + 1) * 4 * kMs);
  }
  std::mt19937_64 random;
  int64_t now_ns = kSecond;
};

TEST_F(GoZero, ShedderDecidesTheSame) {
  Play play(1);
  GoZeroShedder shedder(900, kSecond);
  std::string events;
  std::string decisions;
  std::vector<int64_t> running;
  for (int i = 0; i < 100'000; ++i) {
    play.Advance();
    const size_t crowd = play.now_ns / kSecond / 11 % 2 == 0 ? 5 : 60;
    if (running.size() < crowd || play.Below(2) == 0) {
      const int64_t cpu = play.now_ns / kSecond / 5 % 3 == 0 ? play.Below(900) : play.Below(1100);
      events += Event('a', play.now_ns, std::to_string(cpu));
      const bool allowed = shedder.Allow(cpu, play.now_ns);
      decisions += allowed ? '1' : '0';
      if (allowed) running.push_back(play.now_ns);
    }
    if (running.size() >= crowd) {
      const size_t index = play.Below(static_cast<int64_t>(running.size()));
      const bool passed = play.Below(10) != 0;
      events += Event(passed ? 's' : 'f', play.now_ns, std::to_string(index));
      const int64_t started_ns = TakeOut(running, index);
      if (passed) {
        shedder.Passed(started_ns, play.now_ns);
      } else {
        shedder.Failed();
      }
    }
  }
  EXPECT_EQ(Decide("shedder", events), decisions);
  EXPECT_GT(std::count(decisions.begin(), decisions.end(), '0'), 1000) << "some are shed";
}

TEST_F(GoZero, BreakerDecidesTheSame) {
  Play play(2);
  Breaker breaker({.mode = BreakerMode::kGoogle}, kSecond);
  std::string events;
  std::string decisions;
  std::vector<Breaker::Permit> running;
  for (int i = 0; i < 100'000; ++i) {
    play.Advance();
    // Millionths, so that both read the same number.
    const double draw = static_cast<double>(play.Below(1'000'000)) / 1e6;
    events += Event('a', play.now_ns, std::to_string(draw));
    const auto permit = breaker.Allow(play.now_ns, draw);
    decisions += permit ? '1' : '0';
    if (permit) running.push_back(*permit);
    while (running.size() > 10) {
      const size_t index = play.Below(static_cast<int64_t>(running.size()));
      const bool good = play.Below(10) >= play.now_ns / kSecond / 13 % 3 * 5;
      events += Event(good ? 's' : 'f', play.now_ns, std::to_string(index));
      breaker.Ended(TakeOut(running, index), good ? Outcome::kSuccess : Outcome::kFailure, 0,
                    play.now_ns);
    }
  }
  EXPECT_EQ(Decide("breaker", events), decisions);
  EXPECT_GT(std::count(decisions.begin(), decisions.end(), '0'), 1000) << "some are rejected";
}

}  // namespace
}  // namespace weir::guard

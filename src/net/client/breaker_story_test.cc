// A laboratory's endpoint at 50 calls a second, of which four fifths begin to time out, called
// through the client with a breaker around it: real sockets and real time.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "guard/breakers.h"
#include "net/client/client.h"
#include "net/client/outcome.h"
#include "testing/http/http_sink.h"

namespace weir::net {
namespace {

using Clock = std::chrono::steady_clock;
using testing::HttpReceived;
using testing::HttpReply;
using testing::HttpSink;

constexpr int kCallsPerSecond = 50;

class Laboratory {
 public:
  Laboratory() : sink_([this](const HttpReceived&) { return Answer(); }) {}
  ~Laboratory() { sink_.ReleaseHung(); }
  void Break() { broken_ = true; }
  void Mend() {
    broken_ = false;
    sink_.ReleaseHung();
  }
  std::string url() const { return sink_.Url("/orders"); }

 private:
  HttpReply Answer() { return broken_ && count_++ % 5 != 0 ? HttpReply::Hang() : HttpReply{}; }

  std::atomic<bool> broken_{false};
  std::atomic<int> count_{0};
  HttpSink sink_;
};

struct Second {
  int out = 0;  // calls that went out
  int rejected = 0;
  int rejected_late = 0;  // of them, those whose callers were not told within a millisecond
};

// `seconds` seconds of calls, evenly spaced, from this thread alone.
std::vector<Second> Call(Client& client, guard::Dependency& breaker, const Laboratory& laboratory,
                         int seconds) {
  static std::mt19937_64 random(7);
  std::uniform_real_distribution<double> draw;
  std::vector<Second> result(static_cast<size_t>(seconds));
  const auto start = Clock::now();
  for (int i = 0; i < seconds * kCallsPerSecond; ++i) {
    std::this_thread::sleep_until(start + std::chrono::milliseconds(1000 / kCallsPerSecond) * i);
    Second& second = result[static_cast<size_t>(i / kCallsPerSecond)];
    const int64_t now_ns = base::SystemClock().SteadyNs();
    const auto permit = breaker.Allow(now_ns, draw(random));
    if (!permit) {
      ++second.rejected;
      second.rejected_late += base::SystemClock().SteadyNs() - now_ns >= 1'000'000;
      continue;
    }
    ++second.out;
    const base::Status sent =
        client.Send({.url = laboratory.url(), .body = "{}", .timeout_ms = 500},
                    [&breaker, permit = *permit](const base::Result<ClientResponse>& answer) {
                      breaker.Ended(permit, OutcomeOf(answer), base::SystemClock().SteadyNs());
                    });
    EXPECT_TRUE(sent.has_value());
  }
  return result;
}

std::unique_ptr<Client> StartClient() {
  auto client = Client::Start({.connections_max = 128});
  EXPECT_TRUE(client.has_value());
  return std::move(*client);
}

TEST(BreakerStory, StatesHoldALaboratoryOffInThreeSecondsAndLetItBackInFive) {
  Laboratory laboratory;
  guard::Breakers breakers({});
  guard::Dependency& breaker = breakers.Of("partner:laboratory", base::SystemClock().SteadyNs());
  auto client = StartClient();
  const auto before = Call(*client, breaker, laboratory, 2);
  EXPECT_EQ(before[1].out, kCallsPerSecond);
  laboratory.Break();
  const auto broken = Call(*client, breaker, laboratory, 8);
  int rejected = 0;
  int rejected_late = 0;
  for (size_t i = 3; i < broken.size(); ++i) {
    EXPECT_LT(broken[i].out, kCallsPerSecond / 2) << "in second " << i;
    rejected += broken[i].rejected;
    rejected_late += broken[i].rejected_late;
  }
  // Not all: the thread may lose its processor between two looks at the clock.
  EXPECT_LE(rejected_late * 50, rejected) << "a caller fails at once";
  laboratory.Mend();
  const auto after = Call(*client, breaker, laboratory, 7);
  for (size_t i = 5; i < after.size(); ++i) EXPECT_EQ(after[i].out, kCallsPerSecond);
  client.reset();
}

TEST(BreakerStory, GooglesTakesLongerToLetItBack) {
  Laboratory laboratory;
  guard::Breakers breakers({.breaker = {.mode = guard::BreakerMode::kGoogle}});
  guard::Dependency& breaker = breakers.Of("partner:laboratory", base::SystemClock().SteadyNs());
  auto client = StartClient();
  Call(*client, breaker, laboratory, 2);
  laboratory.Break();
  const auto broken = Call(*client, breaker, laboratory, 12);
  EXPECT_GT(broken[3].out, kCallsPerSecond / 2) << "go-zero's window still holds the good calls";
  EXPECT_LT(broken[11].out, kCallsPerSecond / 2);
  laboratory.Mend();
  const auto after = Call(*client, breaker, laboratory, 13);
  EXPECT_LT(after[4].out, kCallsPerSecond * 99 / 100);
  EXPECT_GE(after[12].out, kCallsPerSecond * 99 / 100);
  client.reset();
}

}  // namespace
}  // namespace weir::net

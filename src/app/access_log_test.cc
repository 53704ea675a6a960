#include "app/access_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "testing/disk/virtual_clock.h"

namespace weir::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

;

class AccessLogTest : public ::testing::Test {
 protected:
  AccessLogTest()
      : log_(observe::Log::Open(clock_, {.burst = 3,
                                         .per_second = 1,
                                         .sink =
                                             [this](auto line) {
                                               const std::lock_guard lock(mutex_);
                                               lines_.emplace_back(line);
                                             }})
                 .value()) {}

  // Lines since the last call.
  std::vector<std::string> Lines() {
    log_->Flush();
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }
  void Answer(AccessLog& access, int status, bool let_in, double draw = 0) {
    if (!access.Wants(status, let_in, [draw] { return draw; })) return;
    access.Write({.status = status, .let_in = let_in, .route = observe::Literal("/submit")});
  }

  testing::VirtualClock clock_{0};
  std::mutex mutex_;
  std::vector<std::string> lines_;
  const std::unique_ptr<observe::Log> log_;
};

TEST_F(AccessLogTest, ALineSaysWhatIsKnownOfTheAnswer) {
  const std::atomic<double> share = 1;
  AccessLog access(*log_, share);
  observe::TraceId trace;
  trace.bytes.back() = 0x2a;
  access.Write({.status = 413});
  access.Write({.status = 202, .let_in = true, .route = observe::Literal("/submit"), .took_ms = 7});
  access.Write({.status = 503,
                .let_in = true,
                .route = observe::Literal("/submit"),
                .took_ms = 8,
                .trace = &trace});
  EXPECT_THAT(
      Lines(),
      ElementsAre(
          HasSubstr(R"("event":"access.refused","message":"a request was refused","status":413})"),
          HasSubstr(R"("event":"access","message":"a request was answered","route":"/submit",)"
                    R"("status":202,"duration_ms":7})"),
          HasSubstr(R"("status":503,"duration_ms":8,)"
                    R"("trace_id":"0000000000000000000000000000002a"})")));
}

TEST_F(AccessLogTest, WithoutAShareOnlyFailuresAreWritten) {
  const std::atomic<double> share = 0;
  AccessLog access(*log_, share);
  for (const int status : {202, 401, 413, 429, 503}) Answer(access, status, false);
  for (const int status : {202, 404, 409}) Answer(access, status, true);
  EXPECT_THAT(Lines(), SizeIs(0));
  Answer(access, 507, true);
  EXPECT_THAT(Lines(), ElementsAre(HasSubstr(R"("event":"access.failed")")));
}

TEST_F(AccessLogTest, AShareIsWrittenOfWhatIsRefusedAsOfTheRest) {
  const std::atomic<double> share = 0.25;
  AccessLog access(*log_, share);
  for (const double draw : {0.0, 0.24, 0.25, 0.99}) {
    Answer(access, 202, true, draw);
    Answer(access, 503, false, draw);
  }
  const std::string answered = R"("event":"access",)", refused = R"("event":"access.refused")";
  EXPECT_THAT(Lines(), ElementsAre(HasSubstr(answered), HasSubstr(refused), HasSubstr(answered),
                                   HasSubstr(refused)));
}

TEST_F(AccessLogTest, AFloodOfRefusalsIsBoundedAndHoldsNoOtherLineBack) {
  const std::atomic<double> share = 1;
  AccessLog access(*log_, share);
  for (int i = 0; i < 10'000; ++i) Answer(access, 429, false);
  EXPECT_THAT(Lines(), SizeIs(3)) << "Log.Burst";
  for (int i = 0; i < 10'000; ++i) Answer(access, 504, true);
  EXPECT_THAT(Lines(), SizeIs(3));
  Answer(access, 202, true);
  EXPECT_THAT(Lines(), SizeIs(1));
  clock_.AdvanceMs(1'000);
  Answer(access, 401, false);
  EXPECT_THAT(Lines(), ElementsAre(::testing::AllOf(HasSubstr(R"("status":401)"),
                                                    HasSubstr(R"("suppressed":9997)"))));
}

}  // namespace
}  // namespace weir::app

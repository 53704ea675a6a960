#include "tools/surge/surge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "tools/surge/figures.h"
#include "tools/surge/lying_server.h"
#include "tools/surge/session.h"

namespace weir::surge {
namespace {

using testing::HasSubstr;

struct Outcome {
  Figures figures;
  std::string findings;  // "missing: 1\n…"
};

Options OptionsFor(const LyingServer& server) {
  Options options;
  options.port = server.port();
  options.patients = options.reports = 400;
  options.over_s = 0.2;
  options.connections = 16;
  options.workers = 2;
  options.resend = 0.1;
  options.urgent_share = 0.05;
  options.seed = 42;
  options.verify = true;
  options.settle_s = 0.5;
  options.retry_for_s = 2;
  return options;
}

Outcome PlayAgainst(Lie lie, bool http2 = false) {
  LyingServer server(lie);
  const std::atomic<bool> stop{false};
  Options options = OptionsFor(server);
  options.http2 = http2;
  if (http2) options.connections = 4;
  Session session(options, stop);
  const auto status = session.Run();
  EXPECT_TRUE(status) << (status ? "" : base::ToString(status.error()));
  Outcome outcome{session.figures(), ""};
  for (size_t sort = 0; sort < kFindingSorts; ++sort) {
    const auto finding = static_cast<Finding>(sort);
    const uint64_t count = session.findings().count(finding);
    if (count == 0) continue;
    outcome.findings += std::string(Name(finding)) + ": " + std::to_string(count) + "\n";
    for (const auto& example : session.findings().examples(finding)) {
      outcome.findings += "  " + example + "\n";
    }
  }
  return outcome;
}

TEST(Surge, FindsNothingWrongWithAnHonestServer) {
  const Outcome outcome = PlayAgainst(Lie::kNone);
  EXPECT_EQ(outcome.findings, "");
  EXPECT_EQ(outcome.figures.acknowledged, 400u);
  EXPECT_GT(outcome.figures.repeats, 20u);
  EXPECT_EQ(outcome.figures.sent, 400u + outcome.figures.repeats);
  EXPECT_EQ(outcome.figures.read_back, 400u);
  EXPECT_EQ(outcome.figures.counted, 400u);
  EXPECT_GT(outcome.figures.alerts.urgent, 8u);
  EXPECT_EQ(outcome.figures.alerts.urgent + outcome.figures.alerts.elevated,
            outcome.figures.alerts_listed);
  EXPECT_EQ(outcome.figures.latency.count(), outcome.figures.sent);
}

struct Case {
  Lie lie;
  const char* found;
};

class SurgeFinds : public testing::TestWithParam<Case> {};

TEST_P(SurgeFinds, TheLie) {
  EXPECT_THAT(PlayAgainst(GetParam().lie).findings, HasSubstr(GetParam().found));
}

INSTANTIATE_TEST_SUITE_P(
    EveryLie, SurgeFinds,
    testing::Values(Case{Lie::kLosesOne, "missing: 1\n"}, Case{Lie::kAltersOne, "different: 1\n"},
                    Case{Lie::kAltersReceipt, "the receipt has another hash"},
                    Case{Lie::kMovesOne, "read at 1000007"},
                    Case{Lie::kSharesOffset, "two reports were acknowledged at offset 6"},
                    Case{Lie::kStoresRepeats, "and again at"},
                    Case{Lie::kDoublesAlert, "listed 2 times"},
                    Case{Lie::kForgetsAlert, "no alert in the list"},
                    Case{Lie::kForgetsOnStream, "never came on the stream"},
                    Case{Lie::kAlarmsWithoutCause, "it shows no risk"},
                    Case{Lie::kCountsTwice, "counted 401 reports, 400 were acknowledged"},
                    Case{Lie::kCountsTooFew, "counted 399 reports, 400 were acknowledged"},
                    Case{Lie::kLeavesPending, "by research"},
                    Case{Lie::kNeverCatchesUp, "analytics is running and lags by 1"},
                    Case{Lie::kRefusesOne, "refused: 1\n"}));

class SurgeFindsOverHttp2 : public testing::TestWithParam<Case> {};

TEST_P(SurgeFindsOverHttp2, TheLie) {
  EXPECT_THAT(PlayAgainst(GetParam().lie, true).findings, HasSubstr(GetParam().found));
}

INSTANTIATE_TEST_SUITE_P(EveryLieOfAnAnswer, SurgeFindsOverHttp2,
                         testing::Values(Case{Lie::kAltersReceipt, "the receipt has another hash"},
                                         Case{Lie::kSharesOffset,
                                              "two reports were acknowledged at offset 6"},
                                         Case{Lie::kStoresRepeats, "and again at"},
                                         Case{Lie::kRefusesOne, "refused: 1\n"}));

TEST(Surge, FindsNothingWrongWithAnHonestServerOverHttp2) {
  const Outcome outcome = PlayAgainst(Lie::kNone, true);
  EXPECT_EQ(outcome.findings, "");
  EXPECT_EQ(outcome.figures.acknowledged, 400u);
  EXPECT_EQ(outcome.figures.sent, 400u + outcome.figures.repeats);
  EXPECT_EQ(outcome.figures.read_back, 400u);
  EXPECT_EQ(outcome.figures.counted, 400u);
  EXPECT_EQ(outcome.figures.alerts.urgent + outcome.figures.alerts.elevated,
            outcome.figures.alerts_listed);
  EXPECT_EQ(outcome.figures.latency.count(), outcome.figures.sent);
}

TEST(Surge, SendsAgainWhatTheServerTookBack) {
  for (const Lie trial : {Lie::kResetsStreams, Lie::kGoesAway}) {
    const Outcome outcome = PlayAgainst(trial, true);
    EXPECT_EQ(outcome.findings, "");
    EXPECT_EQ(outcome.figures.acknowledged, 400u);
    EXPECT_GT(outcome.figures.taken_back, 30u);
    EXPECT_EQ(outcome.figures.resent, outcome.figures.taken_back);
    EXPECT_EQ(outcome.figures.counted, 400u);
  }
}

TEST(Surge, SendsAgainOverHttp2WhatABrokenConnectionTookWithIt) {
  const Outcome outcome = PlayAgainst(Lie::kBreaksConnections, true);
  EXPECT_EQ(outcome.findings, "");
  EXPECT_EQ(outcome.figures.acknowledged, 400u);
  EXPECT_GT(outcome.figures.broken, 30u);
  EXPECT_EQ(outcome.figures.counted, 400u);
}

TEST(Surge, SendsAgainOverHttp2WhatABusyServerRefused) {
  const Outcome outcome = PlayAgainst(Lie::kIsBusy, true);
  EXPECT_EQ(outcome.findings, "");
  EXPECT_EQ(outcome.figures.acknowledged, 400u);
  EXPECT_GT(outcome.figures.retried_503, 30u);
}

TEST(Surge, SendsAgainWhatABrokenConnectionTookWithIt) {
  const Outcome outcome = PlayAgainst(Lie::kBreaksConnections);
  EXPECT_EQ(outcome.findings, "");
  EXPECT_EQ(outcome.figures.acknowledged, 400u);
  EXPECT_GT(outcome.figures.resent, 30u);
  EXPECT_EQ(outcome.figures.counted, 400u);
}

TEST(Surge, SendsAgainWhatABusyServerRefused) {
  const Outcome outcome = PlayAgainst(Lie::kIsBusy);
  EXPECT_EQ(outcome.findings, "");
  EXPECT_EQ(outcome.figures.acknowledged, 400u);
  EXPECT_GT(outcome.figures.retried_503, 30u);
}

TEST(Surge, ResumesABrokenStreamWhereItWas) {
  const Outcome outcome = PlayAgainst(Lie::kBreaksStream);
  EXPECT_EQ(outcome.findings, "");
}

TEST(Surge, GivesUpInTimeOnAServerThatStaysBusy) {
  const Outcome outcome = PlayAgainst(Lie::kStaysBusy);
  EXPECT_THAT(outcome.findings, HasSubstr("not acknowledged in time"));
  EXPECT_GT(outcome.figures.given_up, 5u);
  EXPECT_EQ(outcome.figures.acknowledged + outcome.figures.given_up, 400u);
  EXPECT_EQ(outcome.figures.counted, outcome.figures.acknowledged);
}

int Surge(std::initializer_list<const char*> arguments) {
  std::vector<const char*> argv{"weir surge"};
  argv.insert(argv.end(), arguments);
  return RunSurge(static_cast<int>(argv.size()), argv.data());
}

TEST(SurgeCommand, EndsWithOneWhereAReportIsLost) {
  LyingServer honest(Lie::kNone);
  LyingServer loses(Lie::kLosesOne);
  const auto play = [](const LyingServer& server) {
    const std::string url = "http://127.0.0.1:" + std::to_string(server.port());
    return Surge({"--url", url.c_str(), "--patients", "100", "--over", "100ms", "--verify",
                  "--connections", "8", "--settle", "2s"});
  };
  EXPECT_EQ(play(honest), 0);
  EXPECT_EQ(play(loses), 1);
}

TEST(SurgeCommand, EndsWithTwoForWrongUsage) {
  EXPECT_EQ(Surge({}), 2);
  EXPECT_EQ(Surge({"--patients", "10", "--http2", "--streams", "0"}), 2);
  EXPECT_EQ(Surge({"--patients", "ten"}), 2);
  EXPECT_EQ(Surge({"--patients", "10", "--over", "soon"}), 2);
  EXPECT_EQ(Surge({"--patients", "10", "--url", "ftp://127.0.0.1"}), 2);
  EXPECT_EQ(Surge({"--patients", "10", "--insecure"}), 2);
  EXPECT_EQ(Surge({"--patients", "10", "--instrument", "mood"}), 2);
  EXPECT_EQ(Surge({"--closed-loop", "--seconds", "1", "--verify"}), 2);
  EXPECT_EQ(Surge({"--help"}), 0);
}

TEST(SurgeCommand, EndsWithOneWhereNobodyListens) {
  uint16_t port;
  { port = LyingServer(Lie::kNone).port(); }
  const std::string url = "http://127.0.0.1:" + std::to_string(port);
  EXPECT_EQ(Surge({"--url", url.c_str(), "--patients", "1"}), 1);
}

}  // namespace
}  // namespace weir::surge

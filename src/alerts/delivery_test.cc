#include "alerts/delivery.h"

#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <map>

#include "alerts/acknowledge.h"
#include "alerts/alerts_test_support.h"
#include "alerts/signature.h"
#include "testing/http/http_sink.h"

namespace weir::alerts {
namespace {

using journal::Outcome;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::HttpReceived;
using testing::HttpReply;
using testing::HttpSink;
using ::testing::IsEmpty;
using ::testing::SizeIs;

HttpReply Ok(const HttpReceived&) { return {}; }
HttpReply Hang(const HttpReceived&) { return HttpReply::Hang(); }
HttpSink::Handler Say(int status, std::string headers = "") {
  return [=](const HttpReceived&) { return HttpReply{.status = status, .headers = headers}; };
}

// The inbox, its committer and one engine, which a test may crash and start again. Time is real,
// with waits of milliseconds, but where a test uses its own clock.
class DeliveryTest : public ::testing::Test {
 protected:
  DeliveryTest() {
    options_.retry = {.min_ms = 2, .max_ms = 20, .target_pause_max_ms = 20};
    options_.escalation.after_ms = 0;
    options_.timeout_ms = 5000;
  }

  void Configure(std::vector<Target> targets, std::vector<Route> routes,
                 std::string escalation = "") {
    auto routing = Routing::Build({std::move(targets), std::move(routes), std::move(escalation)});
    ASSERT_TRUE(routing.has_value());
    routing_ = std::move(*routing);
    committer_ = std::make_unique<Committer>(*store_, routing_, *clock_);
    lane_ = std::make_unique<ControlLane>(journal_, *committer_);
  }
  void ConfigureOne(const HttpSink& sink) {
    Configure({TestTarget("ward", sink.Url("/hook"))}, {{.targets = {"ward"}}});
  }

  void StartEngine() {
    client_ = std::move(*net::Client::Start({.user_agent = "weir/test"}));
    auto engine = DeliveryEngine::Start(
        options_, routing_,
        {*store_, journal_, *client_, *clock_, observe::Log::None(), breakers_});
    ASSERT_TRUE(engine.has_value()) << engine.error().message;
    engine_ = std::move(*engine);
    committer_->inbox().SetListener([this] {
      if (engine_) engine_->Notify();
    });
  }
  // What a new process finds is what is in the store and in the journal.
  void CrashEngine() {
    engine_.reset();
    client_.reset();
  }
  void Raise(uint64_t first, uint64_t count, const std::string& doctor = "d1",
             Level level = Level::kUrgent) {
    committer_->Commit([&] {
      for (uint64_t i = 0; i < count; ++i) {
        committer_->Raise({.offset = first + i, .level = level, .doctor = doctor});
      }
    });
  }

  // Applies what is journalled until `done` holds.
  bool WorkUntil(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (true) {
      lane_->Run();
      if (done()) return true;
      if (std::chrono::steady_clock::now() > deadline) return false;
      lane_->WaitForMore();
    }
  }
  size_t OutboxRows() {
    return Rows(committer_->writer(), "SELECT id FROM alert_outbox", 1).size();
  }
  bool WorkUntilOutboxIsEmpty() {
    return WorkUntil([&] { return OutboxRows() == 0; });
  }
  std::vector<Delivery> DeliveriesOf(uint64_t report) {
    return *Deliveries(committer_->writer(), Offset(report));
  }

  // How often each delivery came, by Idempotency-Key.
  static std::map<std::string, int> Keys(const HttpSink& sink) {
    std::map<std::string, int> keys;
    for (const HttpReceived& request : sink.received()) ++keys[request.Header("idempotency-key")];
    return keys;
  }

  StoreOnDisk store_;
  KeyedJournal journal_;
  MovableClock movable_;
  const base::Clock* clock_ = &base::SystemClock();
  DeliveryOptions options_;
  Routing routing_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<ControlLane> lane_;
  std::unique_ptr<net::Client> client_;
  guard::Breakers breakers_{{.breaker = {.calls_min = 4, .open_ns = 50'000'000, .probes = 2}}};
  std::unique_ptr<DeliveryEngine> engine_;
};

TEST_F(DeliveryTest, TellsATargetOnceAndRecordsIt) {
  HttpSink sink(Ok);
  ConfigureOne(sink);
  StartEngine();
  Raise(7, 1);
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  ASSERT_EQ(sink.count(), 1u);
  const HttpReceived request = sink.received()[0];
  EXPECT_EQ(request.path, "/hook");
  EXPECT_EQ(request.Header("user-agent"), "weir/test");
  EXPECT_EQ(request.Header("content-type"), "application/json");
  const std::string signature = request.Header("weir-signature");
  const int64_t signed_at = std::stoll(signature.substr(2));
  EXPECT_EQ(signature, Sign("secret", signed_at, request.body));
  ASSERT_THAT(DeliveriesOf(7), SizeIs(1));
  EXPECT_TRUE(DeliveriesOf(7)[0].delivered);
  EXPECT_EQ(DeliveriesOf(7)[0].status, 200);
  EXPECT_EQ(DeliveriesOf(7)[0].attempts, 1u);
  ASSERT_TRUE(WorkUntil([&] { return engine_->stats().delivered == 1; }));
  EXPECT_EQ(engine_->stats().targets.at(0).delivered, 1u);
}

// Other targets are unaffected; what hung is delivered when the target is back, once by its key.
TEST_F(DeliveryTest, ATargetThatHangsDelaysOnlyItsOwn) {
  HttpSink hanging(Hang), fine(Ok);
  Configure(
      {TestTarget("hanging", hanging.Url("/")), TestTarget("fine", fine.Url("/"))},
      {{.doctor_id = "d1", .targets = {"hanging"}}, {.doctor_id = "d2", .targets = {"fine"}}});
  StartEngine();
  Raise(0, 50, "d1");
  ASSERT_TRUE(hanging.WaitForCount(1));
  Raise(100, 50, "d2");
  ASSERT_TRUE(WorkUntil([&] { return OutboxRows() == 50; }));
  EXPECT_EQ(fine.count(), 50u);
  EXPECT_EQ(hanging.count(), 1u);  // no more than one is tried at a target that has not answered
  hanging.SetHandler(Ok);
  hanging.ReleaseHung();
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_THAT(Keys(hanging), SizeIs(50));
  EXPECT_EQ(hanging.count(), 50u);
}

TEST_F(DeliveryTest, TargetsThatHangNeverHoldAllAttempts) {
  options_.in_flight_max = 4;
  std::vector<std::unique_ptr<HttpSink>> hanging;
  HttpSink fine(Ok);
  std::vector<Target> targets = {TestTarget("fine", fine.Url("/"))};
  std::vector<Route> routes = {{.targets = {"fine"}}};
  for (int i = 0; i < 6; ++i) {
    hanging.push_back(std::make_unique<HttpSink>(Hang));
    const std::string name = "hanging-" + std::to_string(i);
    targets.push_back(TestTarget(name, hanging.back()->Url("/")));
    routes.push_back({.doctor_id = name, .targets = {name}});
  }
  Configure(std::move(targets), std::move(routes));
  StartEngine();
  Raise(0, 1);  // the fine one shows that it answers
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  for (uint64_t i = 0; i < 6; ++i) Raise(10 + i * 5, 5, "hanging-" + std::to_string(i));
  ASSERT_TRUE(WorkUntil([&] { return engine_->stats().in_flight == 2; }));
  Raise(100, 20);
  ASSERT_TRUE(WorkUntil([&] { return fine.count() == 21; }));
  for (const auto& sink : hanging) {
    sink->SetHandler(Ok);
    sink->ReleaseHung();
  }
  EXPECT_TRUE(WorkUntilOutboxIsEmpty());
}

TEST_F(DeliveryTest, ATargetThatHangsPastTheTimeoutIsTriedAgain) {
  options_.timeout_ms = 30;
  HttpSink sink(Hang);
  ConfigureOne(sink);
  StartEngine();
  Raise(1, 1);
  ASSERT_TRUE(sink.WaitForCount(3));
  sink.SetHandler(Ok);
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_THAT(Keys(sink), SizeIs(1));
  EXPECT_GE(DeliveriesOf(1)[0].attempts, 4u);
}

TEST_F(DeliveryTest, ATargetThatRefusesIsToldWhenItListens) {
  HttpSink sink(Ok, {.listening = false});
  ConfigureOne(sink);
  StartEngine();
  Raise(0, 20);
  ASSERT_TRUE(WorkUntil([&] { return engine_->stats().retried >= 3; }));
  sink.Listen();
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_EQ(sink.count(), 20u);
  EXPECT_THAT(Keys(sink), SizeIs(20));
}

TEST_F(DeliveryTest, ATargetThatAnswers500IsToldWhenItRecovers) {
  HttpSink sink(Say(500));
  ConfigureOne(sink);
  StartEngine();
  Raise(0, 5);
  ASSERT_TRUE(sink.WaitForCount(8));
  EXPECT_EQ(OutboxRows(), 5u);
  sink.SetHandler(Ok);
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_THAT(Keys(sink), SizeIs(5));
}

TEST_F(DeliveryTest, WhatABreakerHoldsBackIsNoAttemptAndGoesOutWhenItMay) {
  HttpSink sink(Ok);
  ConfigureOne(sink);
  StartEngine();
  Raise(0, 1);
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  const auto now_ns = [&] { return clock_->SteadyNs(); };
  ASSERT_TRUE(breakers_.Force("webhook:ward", guard::Forced::kOpen, now_ns()));
  Raise(1, 5);
  ASSERT_TRUE(WorkUntil([&] { return breakers_.List(now_ns())[0].rejected >= 2; }));
  EXPECT_EQ(sink.count(), 1u);
  EXPECT_EQ(OutboxRows(), 5u);
  EXPECT_EQ(engine_->stats().retried, 0u);
  ASSERT_TRUE(breakers_.Force("webhook:ward", guard::Forced::kNone, now_ns()));
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_EQ(sink.count(), 6u);
  EXPECT_EQ(breakers_.List(now_ns())[0].succeeded, 6u);
}

TEST_F(DeliveryTest, ATargetThatFailsOpensItsBreakerAndIsToldAllOfItWhenItIsBack) {
  HttpSink bad(Say(500)), good(Ok);
  Configure({TestTarget("bad", bad.Url("/hook")), TestTarget("good", good.Url("/hook"))},
            {{.doctor_id = "d1", .targets = {"bad"}}, {.doctor_id = "d2", .targets = {"good"}}});
  StartEngine();
  Raise(0, 2000, "d1");
  Raise(2000, 100, "d2");
  ASSERT_TRUE(WorkUntil([&] { return OutboxRows() == 2000; })) << "the other target is told";
  ASSERT_TRUE(WorkUntil([&] { return breakers_.List(clock_->SteadyNs())[0].opened > 0; }));
  bad.SetHandler(Ok);
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_THAT(Keys(bad), SizeIs(2000));
  EXPECT_EQ(breakers_.List(clock_->SteadyNs())[0].state, guard::BreakerState::kClosed);
}

TEST_F(DeliveryTest, OneAlertThatATargetCannotTakeKeepsNoOtherAway) {
  HttpSink sink([](const HttpReceived& request) {
    return HttpReply{.status = request.body.find("\"a-0\"") != std::string::npos ? 500 : 200};
  });
  ConfigureOne(sink);
  StartEngine();
  Raise(0, 100);
  ASSERT_TRUE(WorkUntil([&] { return OutboxRows() == 1; }));
  Raise(100, 1);
  ASSERT_TRUE(WorkUntil([&] { return OutboxRows() == 1 && !DeliveriesOf(100).empty(); }));
  sink.SetHandler(Ok);
  EXPECT_TRUE(WorkUntilOutboxIsEmpty());
}

TEST_F(DeliveryTest, ARejectionIsFinalIsRecordedAndLeavesTheAlertOpen) {
  HttpSink sink(Say(410));
  ConfigureOne(sink);
  StartEngine();
  Raise(1, 1);
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_EQ(sink.count(), 1u);
  const auto deliveries = DeliveriesOf(1);
  ASSERT_THAT(deliveries, SizeIs(1));
  EXPECT_FALSE(deliveries[0].delivered);
  EXPECT_EQ(deliveries[0].status, 410);
  EXPECT_EQ(deliveries[0].detail, "HTTP 410");
  EXPECT_EQ(Get(committer_->writer(), StudyScope::All(), Offset(1))->state, State::kOpen);
  ASSERT_TRUE(WorkUntil([&] { return engine_->stats().rejected == 1; }));
  // The next alert is tried all the same.
  sink.SetHandler(Ok);
  Raise(2, 1);
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_TRUE(DeliveriesOf(2)[0].delivered);
}

TEST_F(DeliveryTest, RetryAfterIsHonoured) {
  clock_ = &movable_;
  HttpSink sink(Say(429, "Retry-After: 60\r\n"));
  ConfigureOne(sink);
  StartEngine();
  Raise(1, 2);
  ASSERT_TRUE(WorkUntil([&] { return engine_->stats().retried == 1; }));
  sink.SetHandler(Ok);
  movable_.Advance(59'000);
  engine_->Notify();
  Raise(3, 1);  // not even what is new
  ASSERT_TRUE(WorkUntil([&] { return engine_->stats().targets.at(0).waiting == 3; }));
  EXPECT_EQ(sink.count(), 1u);
  movable_.Advance(1'000);
  engine_->Notify();
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_EQ(sink.count(), 4u);
}

TEST_F(DeliveryTest, GivesUpAfterTheConfiguredTimeAndRecordsIt) {
  clock_ = &movable_;
  options_.retry.give_up_after_ms = 3'600'000;
  HttpSink sink(Say(503));
  ConfigureOne(sink);
  StartEngine();
  Raise(1, 1);
  for (int minute = 0; minute < 61; ++minute) {
    const size_t before = sink.count();
    ASSERT_TRUE(WorkUntil([&] {
      movable_.Advance(25);
      engine_->Notify();
      return sink.count() > before || OutboxRows() == 0;
    }));
    movable_.Advance(60'000);
  }
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  const auto deliveries = DeliveriesOf(1);
  EXPECT_FALSE(deliveries[0].delivered);
  EXPECT_EQ(deliveries[0].detail, "given up: HTTP 503");
  EXPECT_EQ(deliveries[0].attempts, sink.count());
  ASSERT_TRUE(WorkUntil([&] { return engine_->stats().given_up == 1; }));
}

TEST_F(DeliveryTest, AnAcknowledgementEndsTheAttempts) {
  HttpSink sink(Say(500));
  ConfigureOne(sink);
  StartEngine();
  Raise(1, 1);
  ASSERT_TRUE(sink.WaitForCount(2));
  ASSERT_TRUE(Acknowledge(journal_, committer_->writer(), *clock_,
                          {StudyScope::All(), "a-1", "dr-who", "called the patient"}));
  ASSERT_TRUE(WorkUntil([&] { return engine_->stats().targets.at(0).waiting == 0; }));
  EXPECT_EQ(OutboxRows(), 0u);
  EXPECT_THAT(DeliveriesOf(1), IsEmpty());
}

// A crash before anything was sent, after it was sent, and after its outcome was durable.
TEST_F(DeliveryTest, ACrashAtAnyStepDeliversOnceByKey) {
  HttpSink sink(Hang);
  ConfigureOne(sink);
  Raise(1, 1);  // raised, and the process ends before it is sent
  StartEngine();
  ASSERT_TRUE(sink.WaitForCount(1));
  CrashEngine();  // sent, and the answer was never seen

  sink.SetHandler(Ok);
  journal_.Refuse(Outcome::kStopped);
  StartEngine();
  ASSERT_TRUE(WorkUntil([&] { return journal_.refused() > 0; }));
  CrashEngine();  // answered, and the outcome is not in the journal
  EXPECT_EQ(sink.count(), 2u);

  journal_.Refuse(std::nullopt);
  StartEngine();
  ASSERT_TRUE(sink.WaitUntil([&] { return engine_->stats().delivered == 1; }));
  EXPECT_EQ(sink.count(), 3u);
  EXPECT_EQ(OutboxRows(), 1u);
  CrashEngine();  // in the journal, and not yet applied to the store

  StartEngine();
  Raise(2, 1);  // taken up after the first one
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_EQ(sink.count(), 4u);
  EXPECT_THAT(Keys(sink), SizeIs(2));  // the three of the first alert share a key
  EXPECT_THAT(DeliveriesOf(1), SizeIs(1));
}

TEST_F(DeliveryTest, AnOutcomeWaitsForSpaceInTheJournalAndNothingIsSentTwice) {
  HttpSink sink(Ok);
  ConfigureOne(sink);
  journal_.Refuse(Outcome::kNoSpace);
  StartEngine();
  Raise(1, 1);
  ASSERT_TRUE(WorkUntil([&] { return journal_.refused() > 0; }));
  Raise(2, 5);
  journal_.Refuse(std::nullopt);
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_EQ(sink.count(), 6u);
}

TEST_F(DeliveryTest, MoreThanFitsInMemoryIsDeliveredFromTheStoreUrgentOnesFirst) {
  options_.waiting_per_target_max = 8;
  HttpSink sink(Hang);
  ConfigureOne(sink);
  Raise(0, 300, "d1", Level::kElevated);
  StartEngine();
  ASSERT_TRUE(sink.WaitForCount(1));
  Raise(1000, 30);
  ASSERT_TRUE(WorkUntil([&] { return engine_->stats().targets.at(0).waiting == 7 + 8; }));
  sink.SetHandler(Ok);
  sink.ReleaseHung();
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_EQ(sink.count(), 330u);
  EXPECT_THAT(Keys(sink), SizeIs(330));
  // Those that were in memory come before all that had waited longer, but for the one that hung.
  const auto requests = sink.received();
  for (size_t i = 1; i <= 8; ++i) EXPECT_THAT(requests[i].body, HasSubstr("\"urgent\""));
}

TEST_F(DeliveryTest, DeliveriesToATargetThatIsNotConfiguredWaitForIt) {
  HttpSink sink(Ok);
  ConfigureOne(sink);
  Raise(1, 1);
  const Routing with_target = routing_;
  routing_ = Routing();
  StartEngine();
  ASSERT_TRUE(WorkUntil([&] { return engine_->stats().unrouted == 1; }));
  CrashEngine();
  EXPECT_EQ(OutboxRows(), 1u);
  routing_ = with_target;
  StartEngine();
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  EXPECT_EQ(sink.count(), 1u);
}

TEST_F(DeliveryTest, WhereNoWebhookIsConfiguredThereIsNothingToDeliver) {
  Configure({}, {});
  StartEngine();
  Raise(1, 3);
  EXPECT_EQ(OutboxRows(), 0u);
}

TEST_F(DeliveryTest, AnUnacknowledgedUrgentAlertIsEscalatedToItsOwnTargetOnce) {
  clock_ = &movable_;
  options_.escalation.after_ms = 900'000;
  HttpSink ward(Ok), night(Ok);
  Configure({TestTarget("ward", ward.Url("/")), TestTarget("night", night.Url("/"))},
            {{.targets = {"ward"}}}, "night");
  StartEngine();
  committer_->Commit([&] { committer_->Raise({.offset = 1, .received_ms = movable_.WallMs()}); });
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  movable_.Advance(900'000);
  engine_->Notify();
  ASSERT_TRUE(WorkUntil([&] { return night.count() == 1; }));
  EXPECT_THAT(night.received()[0].body, HasSubstr("\"stage\":\"escalation\""));
  EXPECT_THAT(night.received()[0].body, HasSubstr("\"state\":\"escalated\""));
  ASSERT_TRUE(WorkUntilOutboxIsEmpty());
  CrashEngine();
  movable_.Advance(900'000);
  StartEngine();
  committer_->Commit([&] { committer_->Raise({.offset = 2, .received_ms = movable_.WallMs()}); });
  ASSERT_TRUE(WorkUntil([&] { return ward.count() == 2; }));
  EXPECT_EQ(engine_->stats().escalated, 0u);
  EXPECT_EQ(night.count(), 1u);
  EXPECT_THAT(DeliveriesOf(1), SizeIs(2));
}

TEST_F(DeliveryTest, RefusesATargetThatItCouldNotReachSafely) {
  Configure({TestTarget("ward", "http://hospital.example/hook")}, {{.targets = {"ward"}}});
  client_ = std::move(*net::Client::Start({}));
  const auto engine = DeliveryEngine::Start(
      options_, routing_, {*store_, journal_, *client_, *clock_, observe::Log::None(), breakers_});
  ASSERT_FALSE(engine.has_value());
  EXPECT_THAT(engine.error().message, HasSubstr("target 'ward'"));
}

}  // namespace
}  // namespace weir::alerts

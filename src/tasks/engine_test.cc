#include "tasks/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tasks/testing_service.h"
#include "testing/faulty_store/faulty_store.h"

namespace weir::tasks {
namespace {

using base::ErrorCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using wire::Kind;

constexpr int kLongMs = 20'000;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : folder_(::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    OpenStore(0);
    std::vector<store::Migration> migrations(Migrations().begin(), Migrations().end());
    migrations.push_back(kNotingMigration);
    EXPECT_TRUE(store_->Migrate(migrations));
    options_.workers = 2;
    options_.window_records_max = 50;
    options_.linger_ms = 2;
    options_.retry_first_ms = 1;
    options_.retry_max_ms = 20;
    options_.nice = 0;
  }

  void OpenStore(int64_t size_bytes_max) {
    auto store = store::OpenSqlite({.path = folder_ / "weir.db", .size_bytes_max = size_bytes_max});
    ASSERT_TRUE(store);
    store_ = std::move(*store);
  }
  void Start(store::Database& database) {
    auto engine = Engine::Open(options_, journal_, database, service_, base::SystemClock());
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = std::move(*engine);
    ASSERT_TRUE(engine_->Start());
  }
  void Start() { Start(*store_); }
  bool WaitApplied() { return engine_->WaitApplied(journal_.durable_end(), kLongMs); }
  // Waits until the task's status is as wanted; true if it was within kLongMs.
  template <class Wanted>
  bool WaitStatus(const std::string& task, Wanted wanted) {
    const int64_t until = base::SystemClock().SteadyNs() + int64_t{kLongMs} * 1'000'000;
    while (base::SystemClock().SteadyNs() < until) {
      if (wanted(StatusOf(task))) return true;
      engine_->WaitApplied(Offset(1ull << 60), 1);
    }
    return false;
  }
  TaskStatus StatusOf(const std::string& task) {
    for (TaskStatus& status : engine_->status()) {
      if (status.name == task) return status;
    }
    ADD_FAILURE() << "no task " << task;
    return {};
  }
  std::vector<std::string> Query(std::string_view sql) {
    auto reader = *store_->OpenReader();
    store::Statement* select = *reader->Prepare(sql);
    std::vector<std::string> rows;
    while (*select->Step()) rows.emplace_back(select->Text(0));
    select->Reset();
    return rows;
  }
  std::string One(std::string_view sql) { return Query(sql).at(0); }

  Folder folder_;
  std::unique_ptr<store::Database> store_;
  testing::MemoryJournal journal_;
  NotingService service_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, EveryTaskAppliesEveryRecordOnceInOrder) {
  for (int i = 0; i < 1000; ++i) AddReport(journal_, "b" + std::to_string(i));
  Start();
  for (int i = 0; i < 1000; ++i) AddReport(journal_, "b" + std::to_string(i));
  ASSERT_TRUE(WaitApplied());
  for (const char* task : {"first", "second", "alert"}) {
    const std::string of = std::string(" FROM noted WHERE task = '") + task + "'";
    EXPECT_EQ(One("SELECT count(*)" + of), "2000");
    EXPECT_EQ(One("SELECT count(DISTINCT record_offset)" + of), "2000");
  }
  EXPECT_EQ(One("SELECT count(*) FROM (SELECT record_offset - lag(record_offset) OVER"
                " (PARTITION BY task ORDER BY rowid) AS step FROM noted) WHERE step <> 1"),
            "0");
  EXPECT_EQ(service_.computed(), 2000u) << "pure work is done once, whatever the number of tasks";
}

TEST_F(EngineTest, APoisonousRecordIsIsolatedInItsTaskAndBlocksNothing) {
  AddReport(journal_, "a");
  AddReport(journal_, "poison:second");
  AddReport(journal_, "poison:second");
  AddReport(journal_, "b");
  Start();
  ASSERT_TRUE(WaitApplied());
  EXPECT_THAT(Query("SELECT body FROM noted WHERE task = 'second' ORDER BY rowid"),
              ElementsAre("a", "b"));
  EXPECT_EQ(One("SELECT count(*) FROM noted WHERE task = 'first'"), "4");
  EXPECT_THAT(Query("SELECT task || record_offset || reason || body FROM quarantine"),
              ElementsAre("second1is poisonpoison:second", "second2is poisonpoison:second"));
  EXPECT_EQ(StatusOf("second").quarantined, 2u);
  EXPECT_EQ(StatusOf("second").state, TaskState::kRunning);
}

TEST_F(EngineTest, AReplayTakesARecordOutOfQuarantine) {
  AddReport(journal_, "poison:second");
  Start();
  ASSERT_TRUE(WaitApplied());
  Replay(journal_, "second", Offset(0));
  ASSERT_TRUE(WaitApplied());
  EXPECT_EQ(StatusOf("second").quarantined, 1u);
  EXPECT_EQ(One("SELECT attempts FROM quarantine"), "1");
  service_.second.Cure();
  Replay(journal_, "second", Offset(0));
  Replay(journal_, "second", Offset(0));
  ASSERT_TRUE(WaitApplied());
  EXPECT_EQ(StatusOf("second").quarantined, 0u);
  EXPECT_THAT(Query("SELECT body || visible_at FROM noted WHERE task = 'second'"),
              ElementsAre("poison:second2"));
}

TEST_F(EngineTest, AFailingEnvironmentStallsItsTaskAndQuarantinesNothing) {
  service_.first.RefuseAll(true);
  for (int i = 0; i < 200; ++i) AddReport(journal_, "b");
  Start();
  ASSERT_TRUE(WaitStatus("second", [](const TaskStatus& s) { return s.cursor == Offset(200); }));
  ASSERT_TRUE(WaitStatus("first", [](const TaskStatus& s) { return s.retries > 2; }));
  EXPECT_EQ(StatusOf("first").state, TaskState::kStalled);
  EXPECT_THAT(StatusOf("first").reason, HasSubstr("away"));
  EXPECT_EQ(StatusOf("first").lag, 200u);
  EXPECT_EQ(StatusOf("second").state, TaskState::kRunning);
  service_.first.RefuseAll(false);
  ASSERT_TRUE(WaitApplied());
  EXPECT_EQ(One("SELECT count(*) FROM noted WHERE task = 'first'"), "200");
  EXPECT_EQ(One("SELECT count(*) FROM quarantine"), "0");
  EXPECT_EQ(StatusOf("first").state, TaskState::kRunning);
}

TEST_F(EngineTest, APausedTaskStandsStillAloneAndCatchesUpWhenResumed) {
  Start();
  Pause(journal_, "first", true);
  ASSERT_TRUE(
      WaitStatus("first", [](const TaskStatus& s) { return s.state == TaskState::kPaused; }));
  const Offset paused_at = StatusOf("first").cursor;
  for (int i = 0; i < 500; ++i) AddReport(journal_, "b");
  ASSERT_TRUE(WaitStatus("second",
                         [&](const TaskStatus& s) { return s.cursor == journal_.durable_end(); }));
  EXPECT_EQ(StatusOf("first").cursor, paused_at);
  Pause(journal_, "first", false);
  for (int i = 0; i < 500; ++i) AddReport(journal_, "b");
  ASSERT_TRUE(WaitApplied());
  EXPECT_EQ(One("SELECT count(*) FROM noted WHERE task = 'first'"), "1000");
  EXPECT_EQ(One("SELECT count(DISTINCT record_offset) FROM noted WHERE task = 'second'"), "1000");
}

TEST_F(EngineTest, APauseOutlivesARestart) {
  Pause(journal_, "first", true);
  Start();
  ASSERT_TRUE(
      WaitStatus("first", [](const TaskStatus& s) { return s.state == TaskState::kPaused; }));
  engine_.reset();
  Start();
  EXPECT_EQ(StatusOf("first").state, TaskState::kPaused);
}

TEST_F(EngineTest, UrgentRecordsAndCommandsComeBeforeTheBacklog) {
  service_.first.RefuseAll(true);
  service_.second.RefuseAll(true);
  options_.paused = true;
  for (int i = 0; i < 5000; ++i) AddReport(journal_, "b");
  AddUrgent(journal_, "urgent");
  AddCommand(journal_, Kind::kAlertAcknowledged, "");
  options_.paused = false;
  Start();
  ASSERT_TRUE(WaitStatus("alert", [](const TaskStatus& s) { return s.cursor == Offset(5002); }));
  EXPECT_EQ(One("SELECT body FROM noted WHERE task = 'alert' ORDER BY rowid LIMIT 1"), "urgent");
  EXPECT_EQ(One("SELECT count(*) FROM noted WHERE task = 'alert' AND body = 'urgent'"), "1")
      << "handled ahead and not again in its turn";
  EXPECT_EQ(One("SELECT count(*) FROM commands"), "1");
}

TEST_F(EngineTest, APausedAlertTaskRaisesNothingUntilItIsResumedAndThenUrgentOnesFirst) {
  Pause(journal_, "alert", true);
  for (int i = 0; i < 300; ++i) AddReport(journal_, "b");
  AddUrgent(journal_, "urgent");
  Start();
  ASSERT_TRUE(WaitStatus("first", [](const TaskStatus& s) { return s.cursor == Offset(302); }));
  EXPECT_EQ(One("SELECT count(*) FROM noted WHERE task = 'alert'"), "0");
  Pause(journal_, "alert", false);
  ASSERT_TRUE(WaitApplied());
  EXPECT_EQ(One("SELECT body FROM noted WHERE task = 'alert' ORDER BY rowid LIMIT 1"), "urgent");
  EXPECT_EQ(One("SELECT count(*) FROM noted WHERE task = 'alert'"), "301");
}

TEST_F(EngineTest, AnUrgentRecordBetweenAPauseAndItsEndIsNotForgotten) {
  service_.first.RefuseAll(true);
  AddUrgent(journal_, "before");
  Pause(journal_, "alert", true);
  AddUrgent(journal_, "between");
  Pause(journal_, "alert", false);
  AddUrgent(journal_, "after");
  Start();
  ASSERT_TRUE(WaitStatus("alert", [](const TaskStatus& s) { return s.cursor == Offset(5); }));
  EXPECT_THAT(Query("SELECT body || ahead FROM noted WHERE task = 'alert' ORDER BY rowid"),
              ElementsAre("before1", "between1", "after1"));
}

// A store that is behind the journal: the lanes overtake the windows.
TEST_F(EngineTest, AReplayThatComesBeforeItsRecordWaitsForIt) {
  Pause(journal_, "second", true);
  AddReport(journal_, "a");
  Replay(journal_, "second", Offset(1));
  Start();
  ASSERT_TRUE(WaitStatus("first", [](const TaskStatus& s) { return s.cursor == Offset(3); }));
  engine_.reset();
  Pause(journal_, "second", false);
  Start();
  ASSERT_TRUE(WaitApplied());
  EXPECT_THAT(Query("SELECT body || visible_at FROM noted WHERE task = 'second'"),
              ElementsAre("a2"))
      << "as in a rebuild, it is visible from its replay on";
  EXPECT_EQ(StatusOf("second").quarantined, 0u);
  EXPECT_EQ(One("SELECT count(*) FROM replay_waiting"), "0");
}

TEST_F(EngineTest, AFullStoreStallsEveryTaskAndTheyCatchUpWhenThereIsRoom) {
  OpenStore(512 << 10);
  const std::string large(2000, 'x');
  for (int i = 0; i < 1000; ++i) AddReport(journal_, large);
  Start();
  ASSERT_TRUE(WaitStatus("first", [](const TaskStatus& s) {
    return s.state == TaskState::kStalled && s.retries > 1;
  }));
  ASSERT_TRUE(
      WaitStatus("alert", [](const TaskStatus& s) { return s.state == TaskState::kStalled; }));
  EXPECT_THAT(StatusOf("first").reason, HasSubstr("no_space"));
  EXPECT_EQ(StatusOf("first").quarantined, 0u);
  engine_.reset();
  OpenStore(0);
  Start();
  ASSERT_TRUE(WaitApplied());
  EXPECT_EQ(One("SELECT count(*) FROM noted"), "3000");
  EXPECT_EQ(One("SELECT count(DISTINCT task || record_offset) FROM noted"), "3000");
  EXPECT_EQ(One("SELECT count(*) FROM quarantine"), "0");
}

TEST_F(EngineTest, AnUnreadableRecordStallsVisiblyAndIsNeverSkipped) {
  for (int i = 0; i < 100; ++i) AddReport(journal_, "b");
  journal_.FailReadsAt(Offset(70));
  Start();
  ASSERT_TRUE(WaitStatus("first", [](const TaskStatus& s) { return s.retries > 1; }));
  EXPECT_EQ(StatusOf("second").state, TaskState::kStalled);
  EXPECT_LE(StatusOf("first").cursor, Offset(70));
  journal_.FailReadsAt(std::nullopt);
  ASSERT_TRUE(WaitApplied());
  EXPECT_EQ(One("SELECT count(*) FROM noted"), "300");
}

TEST_F(EngineTest, AnUnknownCommandIsKeptInQuarantineAndBlocksNothing) {
  AddCommand(journal_, Kind::kTaskState, "rubbish");
  Pause(journal_, "nobody", true);
  Pause(journal_, "first", true);
  Start();
  ASSERT_TRUE(
      WaitStatus("first", [](const TaskStatus& s) { return s.state == TaskState::kPaused; }));
  EXPECT_THAT(Query("SELECT task || record_offset FROM quarantine ORDER BY record_offset"),
              ElementsAre("control0", "control1"));
}

TEST_F(EngineTest, ACursorBeyondTheJournalRefusesToStart) {
  for (int i = 0; i < 10; ++i) AddReport(journal_, "b");
  Start();
  ASSERT_TRUE(WaitApplied());
  engine_.reset();
  EXPECT_EQ(*FurthestCursor(*store_), Offset(10));
  testing::MemoryJournal shorter;
  AddReport(shorter, "b");
  const auto refused = Engine::Open(options_, shorter, *store_, service_, base::SystemClock());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kCorruption);
}

TEST_F(EngineTest, WindowsOfLargeRecordsStayWithinTheirBytes) {
  options_.queue_bytes_max = 1 << 20;
  for (int i = 0; i < 200; ++i) AddReport(journal_, std::string(100'000, 'x'));
  Start();
  uint64_t most = 0;
  const auto done = [&](const TaskStatus& status) {
    most = std::max(most, engine_->stats().queued_bytes);
    return status.cursor == Offset(200);
  };
  ASSERT_TRUE(WaitStatus("first", done));
  EXPECT_LE(most, 2u << 20);
}

// Wherever the store's process ends, what was committed holds and the rest is done again.
TEST_F(EngineTest, AppliesEachRecordOnceWhateverCallTheCrashHits) {
  options_.window_records_max = 17;
  std::mt19937_64 random(7);
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 20; ++i) {
      if (i % 7 == 3) AddUrgent(journal_, "urgent");
      if (i % 11 == 5) AddReport(journal_, "poison:second");
      if (i % 13 == 7) AddCommand(journal_, Kind::kAlertAcknowledged, "");
      AddReport(journal_, "b");
    }
    testing::StoreFaults faults;
    testing::FaultyStore store(*store_, faults);
    faults.CrashAt(random() % 200);
    auto engine = Engine::Open(options_, journal_, store, service_, base::SystemClock());
    if (!engine) continue;  // crashed while opening
    ASSERT_TRUE((*engine)->Start());
    while (!faults.crashed() && !(*engine)->WaitApplied(journal_.durable_end(), 1)) {
    }
  }
  Start();
  ASSERT_TRUE(WaitApplied());
  EXPECT_EQ(One("SELECT count(*) FROM noted WHERE task = 'first'"),
            One("SELECT count(DISTINCT record_offset) FROM noted WHERE task = 'first'"));
  EXPECT_EQ(One("SELECT count(*) FROM noted WHERE task = 'alert'"),
            One("SELECT count(DISTINCT record_offset) FROM noted WHERE task = 'alert'"));
  EXPECT_EQ(One("SELECT count(*) - (SELECT count(*) FROM noted WHERE task = 'first') FROM noted"
                " WHERE task = 'alert'"),
            "0");
  EXPECT_EQ(One("SELECT count(*) - (SELECT count(*) FROM noted WHERE task = 'first') +"
                " (SELECT count(*) FROM quarantine) FROM noted WHERE task = 'second'"),
            "0");
  EXPECT_EQ(One("SELECT count(*) FROM commands"),
            One("SELECT count(DISTINCT record_offset) FROM commands"));
}

TEST_F(EngineTest, AppliesEachRecordOnceOverStopsAtAnyPoint) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 300; ++i) {
      random() % 40 == 0 ? AddUrgent(journal_, "u") : AddReport(journal_, "b");
    }
    Start();
    engine_->WaitApplied(Offset(random() % journal_.durable_end().value()), kLongMs);
    engine_.reset();
  }
  Start();
  ASSERT_TRUE(WaitApplied());
  EXPECT_EQ(One("SELECT count(*) FROM noted"), std::to_string(3 * 12 * 300));
  EXPECT_EQ(One("SELECT count(DISTINCT task || ' ' || record_offset) FROM noted"),
            std::to_string(3 * 12 * 300));
}

}  // namespace
}  // namespace weir::tasks

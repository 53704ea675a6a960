#include "alerts/inbox.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <random>

#include "alerts/alerts_test_support.h"

namespace weir::alerts {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kOutbox =
    "SELECT report_offset, stage, target, urgent FROM alert_outbox ORDER BY 1, 2, 3";

Routing RoutingForTest() {
  auto routing = Routing::Build({.targets = {TestTarget("ward"), TestTarget("doctor-1"),
                                             TestTarget("site-9"), TestTarget("night")},
                                 .routes = {{.study_id = "s1", .targets = {"ward"}},
                                            {.doctor_id = "d1", .targets = {"doctor-1"}},
                                            {.site_id = "site-9", .targets = {"site-9", "ward"}}},
                                 .escalation_target = "night"});
  EXPECT_TRUE(routing.has_value());
  return std::move(*routing);
}

class InboxTest : public ::testing::Test {
 protected:
  std::vector<std::string> Outbox() { return Rows(committer_.writer(), kOutbox, 4); }
  Alert GetAlert(uint64_t report) {
    auto alert = Get(committer_.writer(), StudyScope::All(), Offset(report));
    EXPECT_TRUE(alert.has_value());
    return std::move(*alert);
  }

  MovableClock clock_;
  StoreOnDisk store_;
  Committer committer_{*store_, RoutingForTest(), clock_};
};

TEST_F(InboxTest, RaisesAnAlertOncePerReport) {
  committer_.Commit([&] {
    EXPECT_TRUE(committer_.Raise({.offset = 7}));
    EXPECT_FALSE(committer_.Raise({.offset = 7}));
  });
  committer_.Commit([&] { EXPECT_FALSE(committer_.Raise({.offset = 7})); });
  EXPECT_THAT(Outbox(), ElementsAre("7|0|doctor-1|1"));
  EXPECT_EQ(ToJson(GetAlert(7)),
            R"({"id":"a-7","study_id":"s1","site_id":"site-1","patient_id":"p7","doctor_id":"d1",)"
            R"("report_id":"r7","level":"urgent","reason":"item 44260-8 is 2",)"
            R"("created_at":"2025-11-24T16:00:00.000Z","state":"open"})");
}

TEST_F(InboxTest, TellsTheDoctorElseTheSiteElseTheStudy) {
  committer_.Commit([&] {
    committer_.Raise({.offset = 1, .site = "site-9", .doctor = "d1"});
    committer_.Raise({.offset = 2, .site = "site-9", .doctor = "d2"});
    committer_.Raise({.offset = 3, .site = "site-8", .doctor = ""});
    committer_.Raise({.offset = 4, .study = "s2", .site = "", .doctor = ""});
  });
  EXPECT_THAT(Outbox(), ElementsAre("1|0|doctor-1|1", "2|0|site-9|1", "2|0|ward|1", "3|0|ward|1"));
}

TEST_F(InboxTest, AnAcknowledgementEndsDeliveriesAndKeepsItsNote) {
  committer_.Commit([&] {
    committer_.Raise({.offset = 7});
    committer_.Acknowledge(7, 8);
    committer_.Acknowledge(7, 8);
    committer_.Escalate(7, 9);  // decided before the acknowledgement was seen
  });
  EXPECT_THAT(Outbox(), IsEmpty());
  const Alert alert = GetAlert(7);
  EXPECT_EQ(alert.state, State::kAcknowledged);
  EXPECT_EQ(alert.acknowledgement->by, "dr-who");
  EXPECT_EQ(alert.acknowledgement->note, "called the patient");
  EXPECT_FALSE(alert.escalated_ms.has_value());
}

TEST_F(InboxTest, AnEscalationIsDeliveredToItsOwnTargetOnce) {
  committer_.Commit([&] {
    committer_.Raise({.offset = 7});
    committer_.Escalate(7, 8);
    committer_.Escalate(7, 8);
  });
  EXPECT_THAT(Outbox(), ElementsAre("7|0|doctor-1|1", "7|1|night|1"));
  committer_.Commit([&] { committer_.Deliver(7, 1, "night"); });
  EXPECT_THAT(Outbox(), ElementsAre("7|0|doctor-1|1"));
  committer_.Commit([&] { committer_.Acknowledge(7, 9); });
  const Alert alert = GetAlert(7);
  EXPECT_EQ(alert.state, State::kAcknowledged);
  EXPECT_TRUE(alert.escalated_ms.has_value());
  EXPECT_THAT(*Deliveries(committer_.writer(), Offset(7)), SizeIs(1));
}

TEST_F(InboxTest, ARollbackLeavesNothingAndTheNextTryDoesItAll) {
  ASSERT_TRUE(committer_.writer().Begin());
  committer_.Raise({.offset = 7});
  committer_.writer().Rollback();
  EXPECT_THAT(Outbox(), IsEmpty());
  committer_.Commit([&] { EXPECT_TRUE(committer_.Raise({.offset = 7})); });
  EXPECT_THAT(Outbox(), SizeIs(1));
}

TEST_F(InboxTest, NumbersOnlyGrowWhenTheClockGoesBack) {
  committer_.Commit([&] { committer_.Raise({.offset = 1}); });
  clock_.JumpWall(-3'600'000);
  committer_.Commit([&] { committer_.Raise({.offset = 2}); });
  // A new process, which must look the last number up.
  Inbox restarted(Routing(), clock_);
  committer_.Commit([&] {
    ASSERT_TRUE(restarted.Raise(committer_.writer(), {.report = Offset(3), .study_id = "s1"}));
  });
  const auto events = EventsAfter(committer_.writer(), 0, INT64_MAX, 10);
  ASSERT_THAT(*events, SizeIs(3));
  EXPECT_EQ((*events)[0].alert.report, Offset(1));
  EXPECT_EQ((*events)[1].alert.report, Offset(2));
  EXPECT_EQ((*events)[2].alert.report, Offset(3));
}

TEST_F(InboxTest, NumbersOfARebuiltStoreAreLargerThanThoseBefore) {
  committer_.Commit([&] {
    for (uint64_t i = 0; i < 100; ++i) committer_.Raise({.offset = i});
  });
  clock_.Advance(1000);
  StoreOnDisk rebuilt;
  Committer again(*rebuilt, RoutingForTest(), clock_);
  again.Commit([&] { again.Raise({.offset = 0}); });
  EXPECT_GT((*EventsAfter(again.writer(), 0, INT64_MAX, 1)).at(0).sequence,
            *LastSequence(committer_.writer()));
}

TEST_F(InboxTest, TellsItsListenerAfterACommitThatChangedSomething) {
  int told = 0;
  committer_.inbox().SetListener([&] { ++told; });
  committer_.Commit([&] { committer_.Raise({.offset = 1}); });
  EXPECT_EQ(told, 1);
  committer_.Commit([&] { committer_.Raise({.offset = 1}); });
  EXPECT_EQ(told, 1);
  committer_.Commit([&] { committer_.Acknowledge(1, 2); });
  EXPECT_EQ(told, 2);
}

// The control lane runs ahead of the bulk by any distance, and may be repeated from any point: the
// store is the same as if everything had been applied in the journal's order.
TEST_F(InboxTest, TheOrderOfLanesChangesNothing) {
  struct Record {
    uint64_t offset;
    bool control;
    std::function<void(Committer&)> apply;
  };
  StoreOnDisk in_order_store, lanes_store;
  Committer in_order(*in_order_store, RoutingForTest(), clock_);
  Committer lanes(*lanes_store, RoutingForTest(), clock_);
  for (uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<Record> journal;
    const uint64_t first = seed * 100, reports_end = first + 6;
    uint64_t offset = first;
    for (uint64_t report = first; report < reports_end; ++report) {
      const auto level = random() % 2 == 0 ? Level::kUrgent : Level::kElevated;
      journal.push_back({offset++, level == Level::kUrgent,
                         [=](Committer& to) { to.Raise({.offset = report, .level = level}); }});
    }
    for (int i = 0; i < 12; ++i) {
      const uint64_t report = first + random() % 6, at = offset++;
      switch (random() % 4) {
        case 0:
          journal.push_back({at, true, [=](Committer& to) { to.Acknowledge(report, at); }});
          break;
        case 1:
          journal.push_back({at, true, [=](Committer& to) { to.Escalate(report, at); }});
          break;
        case 2:
          journal.push_back({at, true, [=](Committer& to) { to.Deliver(report, 0, "doctor-1"); }});
          break;
        case 3:
          journal.push_back({at, true, [=](Committer& to) { to.Deliver(report, 1, "night"); }});
          break;
      }
    }
    const auto dump = [](Committer& from) {
      std::vector<std::string> all = Rows(from.writer(), "SELECT * FROM alerts ORDER BY 1", 16);
      for (const auto& [sql, columns] :
           {std::pair<std::string_view, int>{"SELECT * FROM alert_deliveries ORDER BY 1, 2, 3", 8},
            {"SELECT * FROM alert_waiting ORDER BY 1", 6},
            {"SELECT report_offset FROM alert_unacknowledged ORDER BY 1", 1},
            {kOutbox, 4}}) {
        const auto rows = Rows(from.writer(), sql, columns);
        all.insert(all.end(), rows.begin(), rows.end());
      }
      return all;
    };
    in_order.Commit([&] {
      for (const Record& record : journal) record.apply(in_order);
    });
    lanes.Commit([&] {
      size_t bulk = 0;
      for (const Record& record : journal) {
        if (record.control) record.apply(lanes);
        // The bulk follows at a random distance, and meets the urgent ones again.
        while (bulk < journal.size() && journal[bulk].offset < record.offset && random() % 3 == 0) {
          if (journal[bulk].offset < reports_end) journal[bulk].apply(lanes);
          ++bulk;
        }
      }
      for (; bulk < journal.size(); ++bulk) {
        if (journal[bulk].offset < reports_end) journal[bulk].apply(lanes);
      }
    });
    EXPECT_EQ(dump(in_order), dump(lanes));
  }
}

TEST(AlertId, HasOneSpelling) {
  EXPECT_EQ(AlertId(Offset(12)), "a-12");
  EXPECT_EQ(ParseAlertId("a-12"), Offset(12));
  EXPECT_EQ(ParseAlertId("a-0"), Offset(0));
  for (const char* bad :
       {"", "a-", "12", "a-012", "a--1", "a-1x", "b-1", "a-18446744073709551615"}) {
    EXPECT_FALSE(ParseAlertId(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace weir::alerts

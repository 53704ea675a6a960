#include "alerts/queries.h"

#include <gmock/gmock.h>

#include "alerts/alerts_test_support.h"

namespace weir::alerts {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class QueriesTest : public ::testing::Test {
 protected:
  std::vector<uint64_t> Offsets(const AlertQuery& query) {
    auto page = List(*reader_, query);
    EXPECT_TRUE(page.has_value());
    std::vector<uint64_t> offsets;
    for (const Alert& alert : page->alerts) offsets.push_back(alert.report.value());
    return offsets;
  }

  MovableClock clock_;
  StoreOnDisk store_;
  Committer committer_{*store_, Routing(), clock_};
  std::unique_ptr<store::Connection> reader_ = std::move(*store_->OpenReader());
};

TEST_F(QueriesTest, ListsWhatFitsAndMayBeSeenNewestFirst) {
  committer_.Commit([&] {
    committer_.Raise({.offset = 1, .study = "s1"});
    committer_.Raise({.offset = 2, .level = Level::kElevated, .study = "s2"});
    committer_.Raise({.offset = 3, .study = "s3", .site = "site-3"});
    committer_.Acknowledge(1, 4);
  });
  const StudyScope all = StudyScope::All();
  EXPECT_THAT(Offsets({.scope = all}), ElementsAre(3, 2, 1));
  EXPECT_THAT(Offsets({.scope = all, .study_id = "s2"}), ElementsAre(2));
  EXPECT_THAT(Offsets({.scope = all, .patient_id = "p3"}), ElementsAre(3));
  EXPECT_THAT(Offsets({.scope = all, .site_id = "site-3"}), ElementsAre(3));
  EXPECT_THAT(Offsets({.scope = all, .state = State::kAcknowledged}), ElementsAre(1));
  EXPECT_THAT(Offsets({.scope = all, .state = State::kOpen, .level = Level::kUrgent}),
              ElementsAre(3));
  EXPECT_THAT(Offsets({.scope = {false, {"s1", "s3", "s9"}}}), ElementsAre(3, 1));
  EXPECT_THAT(Offsets({.scope = {false, {"s1"}}, .study_id = "s2"}), IsEmpty());
  EXPECT_THAT(Offsets({.scope = {false, {}}}), IsEmpty());
}

TEST_F(QueriesTest, PagesMeetWithoutGapOrRepeat) {
  committer_.Commit([&] {
    for (uint64_t i = 0; i < 25; ++i) committer_.Raise({.offset = i * 3});
  });
  std::vector<uint64_t> seen;
  AlertQuery query{.scope = StudyScope::All(), .limit = 10};
  int pages = 0;
  do {
    auto page = List(*reader_, query);
    ASSERT_TRUE(page.has_value());
    for (const Alert& alert : page->alerts) seen.push_back(alert.report.value());
    query.before = page->next;
    ++pages;
  } while (query.before);
  EXPECT_EQ(pages, 3);
  ASSERT_THAT(seen, SizeIs(25));
  EXPECT_TRUE(std::is_sorted(seen.rbegin(), seen.rend()));
}

TEST_F(QueriesTest, AnAlertOutsideTheScopeIsAsIfItWereNotThere) {
  committer_.Commit([&] { committer_.Raise({.offset = 1, .study = "s1"}); });
  EXPECT_TRUE(Get(*reader_, {false, {"s1"}}, Offset(1)).has_value());
  EXPECT_EQ(Get(*reader_, {false, {"s2"}}, Offset(1)).error().code, base::ErrorCode::kNotFound);
  EXPECT_EQ(Get(*reader_, StudyScope::All(), Offset(2)).error().code, base::ErrorCode::kNotFound);
}

TEST_F(QueriesTest, AnEventShowsTheAlertAsItWasThen) {
  committer_.Commit([&] {
    committer_.Raise({.offset = 1});
    committer_.Escalate(1, 2);
    committer_.Acknowledge(1, 3);
  });
  const auto events = *EventsAfter(*reader_, 0, INT64_MAX, 10);
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_EQ(events[0].alert.state, State::kOpen);
  EXPECT_FALSE(events[0].alert.escalated_ms.has_value());
  EXPECT_FALSE(events[0].alert.acknowledgement.has_value());
  EXPECT_EQ(events[1].alert.state, State::kEscalated);
  EXPECT_FALSE(events[1].alert.acknowledgement.has_value());
  EXPECT_EQ(events[2].alert.state, State::kAcknowledged);
  EXPECT_EQ(events[2].alert.acknowledgement->note, "called the patient");
  EXPECT_THAT(*UnacknowledgedAfter(*reader_, 0, INT64_MAX, 10), IsEmpty());
}

TEST(Routing, RefusesWhatCannotBeMeant) {
  const auto fails = [](RoutingOptions options) { return !Routing::Build(std::move(options)); };
  EXPECT_TRUE(fails({.targets = {TestTarget("a"), TestTarget("a")}}));
  EXPECT_TRUE(fails({.targets = {TestTarget("")}}));
  EXPECT_TRUE(fails({.targets = {{"a", "https://x.example", ""}}}));
  EXPECT_TRUE(fails({.targets = {TestTarget("a")}, .routes = {{.targets = {"b"}}}}));
  EXPECT_TRUE(fails({.targets = {TestTarget("a")}, .routes = {{.study_id = "s"}}}));
  EXPECT_TRUE(fails(
      {.targets = {TestTarget("a")},
       .routes = {{.study_id = "s", .targets = {"a"}}, {.study_id = "s", .targets = {"a"}}}}));
  EXPECT_TRUE(fails({.escalation_target = "a"}));
}

TEST(Routing, PrefersTheRouteThatNamesMore) {
  const auto routing =
      *Routing::Build({.targets = {TestTarget("any"), TestTarget("study"), TestTarget("both")},
                       .routes = {{.targets = {"any"}},
                                  {.study_id = "s1", .targets = {"study"}},
                                  {.study_id = "s1", .doctor_id = "d1", .targets = {"both"}}}});
  EXPECT_THAT(routing.TargetsOf("s1", "x", "d1"), ElementsAre("both"));
  EXPECT_THAT(routing.TargetsOf("s1", "x", "d2"), ElementsAre("study"));
  EXPECT_THAT(routing.TargetsOf("s2", "x", "d1"), ElementsAre("any"));
}

TEST(Routing, ADoctorGoesBeforeTheSiteAndTheSiteBeforeTheStudy) {
  const auto routing = *Routing::Build({.targets = {TestTarget("doctor"), TestTarget("site"),
                                                    TestTarget("study"), TestTarget("any")},
                                        .routes = {{.doctor_id = "d", .targets = {"doctor"}},
                                                   {.site_id = "x", .targets = {"site"}},
                                                   {.study_id = "s", .targets = {"study"}},
                                                   {.targets = {"any"}}}});
  for (const char* doctor : {"d", "other", ""}) {
    for (const char* site : {"x", "other", ""}) {
      for (const char* study : {"s", "other"}) {
        SCOPED_TRACE(std::string("doctor '") + doctor + "', site '" + site + "', study " + study);
        const std::string expected = *doctor == 'd'  ? "doctor"
                                     : *site == 'x'  ? "site"
                                     : *study == 's' ? "study"
                                                     : "any";
        EXPECT_THAT(routing.TargetsOf(study, site, doctor), ElementsAre(expected));
      }
    }
  }
}

}  // namespace
}  // namespace weir::alerts

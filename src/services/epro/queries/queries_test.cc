#include "services/epro/queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/epro/effects/testing_reports.h"
#include "services/epro/export.h"

namespace weir::epro {
namespace {

using base::ErrorCode;
using clinical::Phq9;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class QueriesTest : public ReportsTest {
 protected:
  QueriesTest() { AddDefinition(journal_, Phq9()); }
  store::Connection& connection() {
    if (reader_ == nullptr) reader_ = *store_->OpenReader();
    return *reader_;
  }
  Offset Send(Sent sent) {
    if (sent.data.empty()) sent.data = Phq9Data(6);
    sent.definition = &Phq9();
    return AddReport(journal_, sent);
  }
  std::vector<std::string> ListAll(const ReportFilter& filter, size_t limit) {
    std::vector<std::string> ids;
    std::optional<Offset> before;
    do {
      const auto page = ListReports(connection(), filter, before, limit);
      EXPECT_TRUE(page) << page.error().message;
      EXPECT_LE(page->rows.size(), limit);
      for (const ReportRow& row : page->rows) ids.push_back(row.report_id);
      before = page->before;
    } while (before);
    return ids;
  }
  std::string ExportAll(ExportTable table, std::optional<Offset> at, size_t chunk = 2) {
    auto cut = Export::Open(connection(), "default", table, at);
    EXPECT_TRUE(cut) << cut.error().message;
    std::string csv;
    while (*cut->Next(connection(), chunk, &csv)) {
    }
    return csv;
  }
  std::unique_ptr<store::Connection> reader_;
};

TEST_F(QueriesTest, ATasksMarkOfARecordFollowsItsCursorAndQuarantine) {
  AddReport(journal_, {.report = "r", .data = "\"x\"", .definition = &clinical::Gad7()});
  Apply();
  const auto marks = *TaskMarks(connection(), Offset(1), 0);
  ASSERT_THAT(marks, SizeIs(6));
  EXPECT_EQ(marks[0].task, "cleanse");
  EXPECT_EQ(marks[0].mark, TaskMark::kQuarantined);
  EXPECT_EQ(marks[5].mark, TaskMark::kApplied);
  EXPECT_EQ((*TaskMarks(connection(), Offset(2), 0))[5].mark, TaskMark::kPending);
  const auto entries = *ListQuarantine(connection(), "assess", Offset(0), 10);
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_EQ(entries[0].record, Offset(1));
  EXPECT_THAT(ReadQuarantined(connection(), "assess", Offset(1))->body, HasSubstr("\"r\""));
  EXPECT_EQ(ReadQuarantined(connection(), "diary", Offset(1)).error().code, ErrorCode::kNotFound);
  EXPECT_THAT(*ListQuarantine(connection(), "", Offset(0), 3), SizeIs(3));
}

TEST_F(QueriesTest, ReportsAreListedByPatientSiteAndStudyNewestFirst) {
  for (int i = 0; i < 12; ++i) {
    Send({.study = i == 5 ? "other" : "default",
          .report = "r" + std::to_string(i),
          .patient = i % 2 == 0 ? "even" : "odd",
          .site = i % 3 == 0 ? "s3" : "s1"});
  }
  Apply();
  EXPECT_THAT(ListAll({.study_id = "default", .patient_id = "odd", .site_id = {}}, 2),
              ElementsAre("r11", "r9", "r7", "r3", "r1"));
  EXPECT_THAT(ListAll({.study_id = "default", .patient_id = {}, .site_id = "s3"}, 3),
              ElementsAre("r9", "r6", "r3", "r0"));
  EXPECT_THAT(ListAll({.study_id = "default", .patient_id = "odd", .site_id = "s3"}, 1),
              ElementsAre("r9", "r3"));
  EXPECT_THAT(ListAll({.study_id = "other", .patient_id = {}, .site_id = {}}, 5),
              ElementsAre("r5"));
  EXPECT_THAT(ListAll({.study_id = "default", .patient_id = {}, .site_id = {}}, 4), SizeIs(11));
  EXPECT_THAT(ListAll({.study_id = "default", .patient_id = "nobody", .site_id = {}}, 4),
              IsEmpty());
  EXPECT_EQ(ListReports(connection(), {.study_id = "other", .patient_id = {}, .site_id = {}},
                        Offset(1), 5)
                .error()
                .code,
            ErrorCode::kInvalidArgument)
      << "an offset of another study tells nothing";
}

TEST_F(QueriesTest, WhatWasCleansedAndAssessedIsReadBack) {
  const Offset record = Send({.report = "r", .data = R"({"44250-9":1,"44255-8":"who knows"})"});
  Apply();
  const auto cleansed = *ReadCleansed(connection(), record);
  ASSERT_THAT(cleansed.items, SizeIs(2));
  EXPECT_EQ(cleansed.items[0].original, "1");
  EXPECT_EQ(cleansed.items[0].code, "LA6569-3");
  EXPECT_EQ(cleansed.items[0].score, 1);
  EXPECT_EQ(cleansed.items[0].rules, "code-from-score");
  EXPECT_EQ(cleansed.items[1].original, "\"who knows\"");
  EXPECT_EQ(cleansed.version, clinical::kCleanseVersion);
  const auto assessment = *ReadAssessment(connection(), record);
  EXPECT_EQ(assessment.instrument, "phq9");
  EXPECT_EQ(assessment.total, std::nullopt);
  EXPECT_THAT(assessment.unscored_reason, HasSubstr("44255-8"));
  EXPECT_EQ(ReadCleansed(connection(), Offset(99)).error().code, ErrorCode::kNotFound);
}

TEST_F(QueriesTest, ARiseOverTheReportBeforeIsPartOfTheAssessment) {
  Send({.report = "r1", .data = Phq9Data(2)});
  const Offset risen = Send({.report = "r2", .data = Phq9Data(7)});
  const Offset calm = Send({.report = "r3", .data = Phq9Data(8)});
  Apply();
  EXPECT_EQ(ReadAssessment(connection(), risen)->level, "elevated");
  EXPECT_EQ(ReadAssessment(connection(), risen)->reason, "total 44261-6 rose by 5, from 2 to 7");
  EXPECT_EQ(ReadAssessment(connection(), calm)->level, "none");
}

TEST_F(QueriesTest, ConflictsAreListed) {
  const Offset first = Send({.report = "r"});
  const Offset second = Send({.report = "r", .data = Phq9Data(9)});
  Send({.report = "r2"});
  Apply();
  const auto conflicts = *ListConflicts(connection(), "default", Offset(0), 10);
  ASSERT_THAT(conflicts, SizeIs(1));
  EXPECT_EQ(conflicts[0].record, second);
  EXPECT_EQ(conflicts[0].first, first);
  EXPECT_THAT(*ListConflicts(connection(), "default", second + 1, 10), IsEmpty());
}

TEST_F(QueriesTest, AnalyticsAreListedByDaySiteAndInstrument) {
  constexpr int64_t kDayMs = 86'400'000;
  for (int i = 0; i < 9; ++i) {
    Send({.report = std::to_string(i),
          .site = i % 2 == 0 ? "a" : "b",
          .data = Phq9Data(i),
          .received_ms = kReceivedMs + i / 3 * kDayMs});
  }
  Apply();
  std::vector<std::string> seen;
  std::optional<AnalyticsPosition> after;
  for (;;) {
    const auto rows = *ListAnalytics(
        connection(), {.study_id = "default", .site_id = {}, .instrument = {}}, after, 2);
    for (const AnalyticsRow& row : rows) {
      seen.push_back(FormatDay(row.day) + row.site_id + std::to_string(row.tally.received));
    }
    if (rows.size() < 2) break;
    after = AnalyticsPosition{rows.back().day, rows.back().site_id, rows.back().instrument};
  }
  EXPECT_THAT(seen, ElementsAre("2026-11-18a2", "2026-11-18b1", "2026-11-19a1", "2026-11-19b2",
                                "2026-11-20a2", "2026-11-20b1"));
  const int64_t day = *ParseDay("2026-11-19");
  EXPECT_THAT(*ListAnalytics(connection(),
                             {.study_id = "default",
                              .site_id = "b",
                              .instrument = "phq9",
                              .first_day = day,
                              .last_day = day},
                             std::nullopt, 10),
              SizeIs(1));
  EXPECT_EQ(ParseDay("yesterday"), std::nullopt);
}

TEST_F(QueriesTest, ADiaryCountsReportsByDay) {
  constexpr int64_t kDayMs = 86'400'000;
  for (int i = 0; i < 5; ++i) {
    Send({.report = std::to_string(i),
          .received_ms = kReceivedMs + i / 2 * kDayMs,
          .authored_ms = i == 4 ? std::optional(kReceivedMs) : std::nullopt});
  }
  Apply();
  const auto diary = *ReadDiary(connection(), "default", "p1");
  EXPECT_EQ(diary.reports, 5u);
  EXPECT_EQ(diary.last->report_id, "4");
  ASSERT_THAT(diary.days, SizeIs(2));
  EXPECT_EQ(FormatDay(diary.days[0].day), "2026-11-19");
  EXPECT_EQ(diary.days[1].reports, 3u);
  EXPECT_EQ(ReadDiary(connection(), "default", "nobody")->reports, 0u);
}

TEST(Adherence, CountsNoMoreThanWasExpected) {
  const std::vector<DiaryDay> days{{10, 3}, {11, 1}, {19, 2}};
  const auto daily = MeasureAdherence(days, {.reports = 2, .period_days = 1}, 10, 12);
  EXPECT_EQ(daily.expected, 6u);
  EXPECT_EQ(daily.received, 3u);
  EXPECT_EQ(daily.ratio(), 0.5);
  const auto weekly = MeasureAdherence(days, {.reports = 2, .period_days = 7}, 10, 20);
  EXPECT_EQ(weekly.expected, 3u) << "a week and four days of the next";
  EXPECT_EQ(weekly.received, 3u);
  EXPECT_EQ(MeasureAdherence(days, {}, 10, 12).ratio(), std::nullopt);
  EXPECT_EQ(MeasureAdherence(days, {.reports = 1, .period_days = 1}, 12, 10).expected, 0u);
}

TEST_F(QueriesTest, AnExportIsCsvAndTheSameHoweverItIsCut) {
  Send({.report = "1", .data = R"({"44250-9":"a, \"b\"","44255-8":2.5})"});
  for (int i = 2; i < 8; ++i) Send({.report = std::to_string(i), .data = Phq9Data(i)});
  Apply();
  for (const char* name : {"reports", "items", "scores"}) {
    const ExportTable table = *ParseExportTable(name);
    const std::string whole = ExportAll(table, std::nullopt, 1000);
    EXPECT_EQ(ExportAll(table, std::nullopt, 1), whole);
    EXPECT_THAT(whole, StartsWith("offset,visible_at,"));
  }
  const std::string scores = ExportAll(ExportTable::kScores, Offset(4));
  EXPECT_THAT(scores, HasSubstr(",phq9,3,minimal,none,\r\n"));
  EXPECT_EQ(std::ranges::count(scores, '\n'), 4) << "a header, and offsets 1 to 3";
  EXPECT_EQ(ParseExportTable("patients"), std::nullopt);
}

TEST_F(QueriesTest, ACutStaysTheSameWhenRecordsAreReplayedLater) {
  const Offset early =
      AddReport(journal_, {.report = "g",
                           .data = clinical::Coded(clinical::kGad7, {1, 0, 1, 0, 1, 0, 1}),
                           .definition = &clinical::Gad7()});
  AddDefinition(journal_, clinical::Gad7());
  Send({.report = "r"});
  Apply();
  const Offset at = journal_.durable_end();
  const std::string before = ExportAll(ExportTable::kItems, at);
  AddControl(journal_, wire::Kind::kReplay,
             wire::Encode(wire::ReplayHead{"research", early, "test"}));
  Apply();
  EXPECT_EQ(ExportAll(ExportTable::kItems, at), before);
  EXPECT_GT(ExportAll(ExportTable::kItems, std::nullopt).size(), before.size());
  EXPECT_EQ(Export::Open(connection(), "default", ExportTable::kItems, at + 100).error().code,
            ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace weir::epro

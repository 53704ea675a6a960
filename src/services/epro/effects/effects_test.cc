#include "services/epro/effects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/epro/effects/testing_reports.h"
#include "services/epro/tally.h"
#include "testing/faulty_store/faulty_store.h"

namespace weir::epro {
namespace {

using clinical::Phq9;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class EffectsTest : public ReportsTest {
 protected:
  EffectsTest() { AddDefinition(journal_, Phq9()); }
  Offset Send(const std::string& report, const std::string& data,
              const std::string& patient = "p1") {
    return AddReport(journal_,
                     {.report = report, .patient = patient, .data = data, .definition = &Phq9()});
  }
};

TEST_F(EffectsTest, AReportIsCleansedAssessedCountedAndNoted) {
  Send("r1", Phq9Data(7));
  Apply();
  EXPECT_EQ(One("SELECT total || ' ' || band || ' ' || level FROM assessed JOIN outcome ON"
                " outcome.id = outcome"),
            "7.0 mild none");
  EXPECT_EQ(One("SELECT lower(hex(definition)) || rules_version FROM assessed JOIN context ON"
                " context.id = context"),
            Phq9().hash().hex() + Phq9().rules_version());
  EXPECT_EQ(One("SELECT json_array_length(items) FROM cleansed"), "9");
  EXPECT_EQ(
      One("SELECT received || ' ' || late || ' ' || scored || bands || scores FROM analytics"),
      R"(1 0 1[["mild",1]][[7,1]])");
  EXPECT_EQ(One("SELECT patient_id || ' ' || report_id FROM diary_report"), "p1 r1");
  EXPECT_EQ(One("SELECT value FROM diary_patient_log"), "1.0");
  EXPECT_EQ(One("SELECT total || band FROM research_score"), "7.0mild");
}

TEST_F(EffectsTest, TheOriginalStandsBesideWhatWasCleansed) {
  Send("r1", R"({"44250-9":" several  days ","44255-8":2,"44259-0":"what?"})");
  Apply();
  EXPECT_THAT(One("SELECT items FROM cleansed"), HasSubstr(R"("o":"\"what?\"")"));
  EXPECT_THAT(One("SELECT flags FROM cleansed"), HasSubstr("unanswered-required"));
  EXPECT_THAT(One("SELECT unscored_reason FROM research_score"), Not(IsEmpty()));
  EXPECT_EQ(One("SELECT original FROM answer WHERE address = '44255-8'"), "2");
}

TEST_F(EffectsTest, WhyNothingWasScoredTellsAnUnknownInstrumentFromNone) {
  AddReport(journal_, {.report = "r1", .data = R"({"a":1})", .instrument = "phq99"});
  AddReport(journal_, {.report = "r2", .data = R"({"a":1})"});
  Apply();
  EXPECT_THAT(Rows("SELECT unscored_reason FROM research_score ORDER BY record_offset"),
              ElementsAre("the instrument is not known",
                          "no instrument is named, and not exactly one has all its items"));
}

TEST_F(EffectsTest, ResearchHoldsNoFreeTextAndNoIds) {
  Send("report-7",
       R"({"44250-9":"my neighbour Bob did it","44255-8":"LA6568-5",)"
       R"("call me on 555":"please","69722-7":"Bob"})",
       "patient-7");
  Apply();
  const auto items = Rows(
      "SELECT item || '|' || coalesce(original, '') || '|' || coalesce(code, '')"
      " || '|' || coalesce(text, '') || '|' || withheld FROM research_item");
  EXPECT_THAT(items,
              ElementsAre("44250-9||||1", "44255-8|\"LA6568-5\"|LA6568-5||0", "69722-7||||1"));
  for (const char* column : {"SELECT hex(pseudonym) FROM research", "SELECT items FROM research"}) {
    EXPECT_THAT(One(column), Not(HasSubstr("Bob")));
    EXPECT_THAT(One(column), Not(HasSubstr("7061"))) << "no id in the clear";
  }
}

TEST_F(EffectsTest, WhatHasNoWordsIsNotWithheld) {
  Send("r1", R"({"44250-9":null,"44255-8":true,"44259-0":1,"44254-1":{"code":"LA6568-5"}})");
  Apply();
  EXPECT_THAT(Rows("SELECT n || '|' || item || '|' || coalesce(original, '') || '|' || withheld"
                   " FROM research_item ORDER BY n"),
              ElementsAre("0|44250-9|null|0", "1|44255-8|true|0", "2|44259-0|1|0", "3|44254-1||1"));
}

TEST_F(EffectsTest, APseudonymIsThePatientsOwnInEachStudy) {
  AddReport(journal_, {.study = "a", .report = "1", .data = "\"x\""});
  AddReport(journal_, {.study = "a", .report = "2", .data = "\"x\""});
  AddReport(journal_, {.study = "b", .report = "3", .data = "\"x\""});
  Apply();
  EXPECT_EQ(One("SELECT count(DISTINCT pseudonym) FROM research"), "2");
  EXPECT_EQ(One("SELECT count(DISTINCT pseudonym) FROM research_report WHERE study_id = 'a'"), "1");
  EXPECT_EQ(One("SELECT length(pseudonym) FROM research_report"), "32");
}

TEST_F(EffectsTest, UrgentAndElevatedReportsHaveOneAlertEach) {
  Send("calm", Phq9Data(3), "a");
  Send("elevated", Phq9Data(12), "b");
  Send("urgent", Phq9Data(21), "c");
  Apply();
  EXPECT_THAT(Rows("SELECT report_id || ' ' || level FROM alerts ORDER BY report_offset"),
              ElementsAre("elevated elevated", "urgent urgent"));
}

// "d\u0061ta" is the same name as "data" to every reader of JSON.
TEST_F(EffectsTest, AnswersUnderANameWrittenWithEscapesAreWorkedOff) {
  const std::string data = Phq9Data(27);
  AddReport(journal_, {.report = "r1",
                       .data = data,
                       .definition = &Phq9(),
                       .body = R"({"report_id":"r1","patient_id":"p1","d\u0061ta":)" + data + "}"});
  Apply();
  EXPECT_EQ(One("SELECT count(*) FROM quarantine"), "0");
  EXPECT_THAT(Rows("SELECT report_id || ' ' || level FROM alerts"), ElementsAre("r1 urgent"));
  EXPECT_EQ(One("SELECT total FROM research_score"), "27.0");
}

TEST_F(EffectsTest, ARiseOverThePreviousReportIsElevated) {
  Send("r1", Phq9Data(2), "a");
  Send("r2", Phq9Data(4), "b");
  Send("r3", Phq9Data(7), "a");
  Send("r4", R"({"44250-9":"LA6568-5"})", "b");  // not scored: nothing to compare with
  Send("r5", Phq9Data(8), "b");
  Apply();
  Send("r6", Phq9Data(9), "b");
  Send("r7", Phq9Data(9), "b");
  Apply();
  EXPECT_THAT(Rows("SELECT report_id || ' ' || level || ' ' || reason FROM alerts"),
              ElementsAre("r3 elevated total 44261-6 rose by 5, from 2 to 7"));
}

TEST_F(EffectsTest, AConflictIsListedAndAlertedAndNothingElse) {
  const Offset first = Send("r1", Phq9Data(3));
  Send("r1", Phq9Data(22));
  Apply();
  EXPECT_EQ(One("SELECT report_id || first_offset FROM conflict"),
            "r1" + std::to_string(first.value()));
  EXPECT_EQ(One("SELECT level || from_conflict FROM alerts"), "urgent1");
  for (const char* table : {"cleansed", "assessed", "research", "diary_report"}) {
    EXPECT_EQ(One(std::string("SELECT count(*) FROM ") + table), "1") << table;
  }
  EXPECT_EQ(One("SELECT sum(received) FROM analytics"), "1");
}

// Else what is in the store would depend on what else was in the window.
TEST_F(EffectsTest, AConflictLeavesNoSharedTexts) {
  Send("r1", Phq9Data(3));
  Send("r1", R"({"44260-8":2,"44250-9":"several days"})");
  Send("r2", Phq9Data(3));
  Apply();
  EXPECT_EQ(One("SELECT count(*) FROM alerts WHERE from_conflict"), "1");
  EXPECT_THAT(Rows("SELECT level || unscored_reason FROM outcome"), ElementsAre("none"));
  EXPECT_EQ(One("SELECT count(*) FROM answer WHERE rules != ''"), "0");
}

TEST_F(EffectsTest, AnUnknownDefinitionIsQuarantinedUntilItIsThereAndReplayed) {
  const auto& gad7 = clinical::Gad7();
  const Offset report =
      AddReport(journal_, {.report = "r1",
                           .data = clinical::Coded(clinical::kGad7, {1, 1, 1, 1, 1, 1, 1}),
                           .definition = &gad7});
  AddDefinition(journal_, gad7);
  Apply();
  EXPECT_EQ(One("SELECT count(*) FROM quarantine"), "5");
  EXPECT_EQ(One("SELECT count(*) FROM diary_report"), "1") << "which needs no evaluation";
  EXPECT_THAT(One("SELECT reason FROM quarantine"), HasSubstr("no definition"));
  for (const char* task : {"cleanse", "assess", "alert", "analytics", "research"}) {
    AddControl(journal_, wire::Kind::kReplay, wire::Encode(wire::ReplayHead{task, report, "test"}));
  }
  Apply();
  EXPECT_EQ(One("SELECT count(*) FROM quarantine"), "0");
  EXPECT_EQ(One("SELECT total || band FROM research_score"), "7.0mild");
  EXPECT_EQ(One("SELECT visible_at - record_offset FROM research_report"), "6");
}

TEST_F(EffectsTest, LateReportsAreCounted) {
  AddReport(journal_, {.report = "r1", .data = "\"x\"", .authored_ms = kReceivedMs - 86'400'001});
  AddReport(journal_, {.report = "r2", .data = "\"x\"", .authored_ms = kReceivedMs - 86'400'000});
  AddReport(journal_, {.report = "r3", .data = "\"x\""});
  Apply();
  EXPECT_EQ(One("SELECT received || ' ' || late FROM analytics"), "3 1");
}

TEST_F(EffectsTest, AReplayedReportStandsInItsPlaceInTheDiary) {
  testing::StoreFaults faults;
  testing::FaultyStore store(*store_, faults);
  Start(store);
  Send("r1", Phq9Data(1));
  Apply();
  // The row of the second report is refused, with the window and then by itself.
  faults.FailNext(2, {base::ErrorCode::kInvalidArgument, "refused"}, "INTO diary_report");
  const Offset second = Send("r2", Phq9Data(1));
  Apply();
  Send("r3", Phq9Data(1));
  Apply();
  const char* const links =
      "SELECT report_id || ' ' || patient_previous || ' ' || site_previous ||"
      " ' ' || study_previous FROM diary_report WHERE record_offset > 1"
      " ORDER BY record_offset";
  EXPECT_THAT(Rows(links), ElementsAre("r3 1 1 1"));
  AddControl(journal_, wire::Kind::kReplay,
             wire::Encode(wire::ReplayHead{"diary", second, "test"}));
  Apply();
  EXPECT_THAT(Rows(links), ElementsAre("r2 1 1 1", "r3 2 2 2"));
  Settle();
  EXPECT_EQ(One("SELECT last_offset || ' ' || value FROM diary_patient"), "3 3.0");
  for (const char* table : {"diary_site", "diary_study"}) {
    EXPECT_EQ(One(std::string("SELECT last_offset || ' ' || reports FROM ") + table), "3 3");
  }
}

TEST(Tally, MedianAndNinetyFifthPercentileAreExact) {
  Tally tally;
  EXPECT_EQ(tally.Median(), std::nullopt);
  for (int score = 1; score <= 20; ++score) ++tally.scores[score], ++tally.scored;
  EXPECT_EQ(tally.Median(), 10.5);
  EXPECT_EQ(tally.P95(), 19);
  Tally other;
  ASSERT_TRUE(other.AddScores(tally.ScoresJson()));
  EXPECT_EQ(other.scores, tally.scores);
  EXPECT_FALSE(other.AddScores("[[1]]"));
}

}  // namespace
}  // namespace weir::epro

#include "tools/surge/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace weir::surge {
namespace {

Plan MakePlan(uint64_t seed, std::string_view instrument = "phq9") {
  return Plan({.seed = seed,
               .patients = 1000,
               .resend = 0.02,
               .urgent_share = 0.1,
               .elevated_share = 0.2,
               .instrument = instrument});
}

std::string ReportId(const Plan& plan, uint64_t index) {
  std::string id(Plan::kReportIdBytes, '\0');
  plan.WriteReportId(index, id.data());
  return id;
}

int Total(std::span<const uint8_t> scores) {
  int total = 0;
  for (const uint8_t score : scores) total += score;
  return total;
}

TEST(Plan, GivesEveryReportAnIdOfItsOwnThatLeadsBackToIt) {
  const Plan plan = MakePlan(7);
  std::set<std::string> ids;
  for (uint64_t i = 0; i < 20'000; ++i) {
    const std::string id = ReportId(plan, i);
    EXPECT_TRUE(ids.insert(id).second);
    EXPECT_EQ(plan.IndexOf(id), i);
  }
  EXPECT_EQ(plan.IndexOf(ReportId(plan, UINT64_MAX)), UINT64_MAX);
}

TEST(Plan, DoesNotKnowTheReportsOfAnotherSeed) {
  const Plan plan = MakePlan(7);
  EXPECT_EQ(plan.IndexOf(ReportId(MakePlan(8), 5)), std::nullopt);
  EXPECT_EQ(plan.IndexOf("r1"), std::nullopt);
  EXPECT_EQ(plan.IndexOf(std::string(32, 'Z')), std::nullopt);
}

// The levels by the rules of the shipped instruments: PHQ-9 item 9 or a total of 20 is urgent.
TEST(Plan, AnswersComeOutAtTheReportsLevel) {
  const Plan phq9 = MakePlan(7);
  const Plan gad7 = MakePlan(7, "gad7");
  for (uint64_t i = 0; i < 20'000; ++i) {
    const auto scores = phq9.Answers(i);
    ASSERT_EQ(scores.size(), 9u);
    const int total = Total(scores);
    const bool urgent = scores[8] > 0 || total >= 20;
    EXPECT_EQ(phq9.LevelOf(i) == Level::kUrgent, urgent);
    EXPECT_EQ(phq9.LevelOf(i) == Level::kElevated, !urgent && total >= 10);
    const int gad7_total = Total(gad7.Answers(i));
    EXPECT_EQ(gad7.LevelOf(i) == Level::kUrgent, gad7_total >= 15);
    EXPECT_EQ(gad7.LevelOf(i) == Level::kElevated, gad7_total >= 10 && gad7_total < 15);
  }
}

TEST(Plan, KeepsTheSharesItWasGiven) {
  const Plan plan = MakePlan(7);
  int urgent = 0, elevated = 0, at_once = 0, later = 0;
  for (uint64_t i = 0; i < 100'000; ++i) {
    urgent += plan.LevelOf(i) == Level::kUrgent;
    elevated += plan.LevelOf(i) == Level::kElevated;
    at_once += plan.RepeatOf(i) == Plan::Repeat::kAtOnce;
    later += plan.RepeatOf(i) == Plan::Repeat::kLater;
  }
  EXPECT_NEAR(urgent, 10'000, 500);
  EXPECT_NEAR(elevated, 20'000, 700);
  EXPECT_NEAR(at_once, 1'000, 150);
  EXPECT_NEAR(later, 1'000, 150);
}

TEST(Plan, FreeTextHasNoLevel) {
  EXPECT_EQ(MakePlan(7, "text").LevelOf(3), Level::kNone);
  EXPECT_TRUE(MakePlan(7, "text").Answers(3).empty());
}

}  // namespace
}  // namespace weir::surge

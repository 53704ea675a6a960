#include "clinical/evaluate.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "clinical/testing_instruments.h"

namespace weir::clinical {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr ReportTimes kNow{1'700'000'000'000, {}};

Evaluation EvaluatePhq9(const std::string& data) { return Evaluate(&Phq9(), data, kNow); }

std::vector<int> Spread(int total, size_t items) {
  std::vector<int> scores(items, 0);
  for (size_t i = 0; total > 0; ++i) {
    scores[i] = std::min(total, 3);
    total -= scores[i];
  }
  return scores;
}

auto HasFlag(const std::string& rule, const std::string& address) {
  return Contains(testing::AllOf(Field(&Flag::rule, rule), Field(&Flag::address, address)));
}

TEST(Evaluate, EachPhq9TotalHasItsBand) {
  for (int total = 0; total <= 27; ++total) {
    SCOPED_TRACE(total);
    const Evaluation evaluation = EvaluatePhq9(Coded(kPhq9, Spread(total, 9)));
    EXPECT_EQ(evaluation.total, total);
    EXPECT_EQ(evaluation.unscored_reason, "");
    EXPECT_EQ(evaluation.band, total <= 4    ? "minimal"
                               : total <= 9  ? "mild"
                               : total <= 14 ? "moderate"
                               : total <= 19 ? "moderately severe"
                                             : "severe");
    EXPECT_THAT(evaluation.flags, IsEmpty());
  }
}

TEST(Evaluate, EachGad7TotalHasItsBandAndLevel) {
  for (int total = 0; total <= 21; ++total) {
    SCOPED_TRACE(total);
    const Evaluation evaluation = Evaluate(&Gad7(), Coded(kGad7, Spread(total, 7)), kNow);
    EXPECT_EQ(evaluation.total, total);
    EXPECT_EQ(evaluation.band, total <= 4    ? "minimal"
                               : total <= 9  ? "mild"
                               : total <= 14 ? "moderate"
                                             : "severe");
    EXPECT_EQ(evaluation.level, total >= 15   ? Level::kUrgent
                                : total >= 10 ? Level::kElevated
                                              : Level::kNone);
  }
}

TEST(Triage, Phq9LevelsFollowTheTotalWhereItem9IsZero) {
  for (int total = 0; total <= 24; ++total) {
    SCOPED_TRACE(total);
    const Triage triage = TriageReport(Phq9(), Coded(kPhq9, Spread(total, 9)));
    EXPECT_EQ(triage.level, total >= 20   ? Level::kUrgent
                            : total >= 10 ? Level::kElevated
                                          : Level::kNone);
    EXPECT_EQ(triage.reason, total >= 10 ? "total 44261-6 is " + std::to_string(total) : "");
  }
}

// A thought of suicide is urgent whatever else was answered, or not.
TEST(Triage, Item9AloneIsUrgent) {
  for (int score = 1; score <= 3; ++score) {
    for (int others : {-1, 0, 1}) {
      std::vector<int> scores(9, others);
      scores[8] = score;
      const Triage triage = TriageReport(Phq9(), Coded(kPhq9, scores));
      EXPECT_EQ(triage.level, Level::kUrgent);
      EXPECT_EQ(triage.reason, "item 44260-8 is " + std::to_string(score));
    }
  }
  EXPECT_EQ(TriageReport(Phq9(), R"({"44260-8":"LA6568-5"})").level, Level::kNone);
}

TEST(Compare, ARiseOfFiveIsElevated) {
  EXPECT_EQ(Compare(Phq9(), 4, 8).level, Level::kNone);
  const Triage triage = Compare(Phq9(), 4, 9);
  EXPECT_EQ(triage.level, Level::kElevated);
  EXPECT_EQ(triage.reason, "total 44261-6 rose by 5, from 4 to 9");
  EXPECT_EQ(Compare(Gad7(), 20, 1).level, Level::kNone);
}

TEST(Evaluate, NeedsAllScoredItemsForATotal) {
  std::vector<int> scores(9, 3);
  scores[1] = -1;
  const Evaluation evaluation = EvaluatePhq9(Coded(kPhq9, scores));
  EXPECT_EQ(evaluation.total, std::nullopt);
  EXPECT_EQ(evaluation.unscored_reason, "item 44255-8 is not answered");
  EXPECT_THAT(evaluation.flags, HasFlag("unanswered-required", "44255-8"));
  EXPECT_EQ(evaluation.level, Level::kUrgent);  // item 9 needs no total
}

TEST(LinkIds, NameTheInstrument) {
  const auto catalog = Catalog::Load("config/instruments");
  ASSERT_TRUE(catalog.has_value());
  const auto infer = [&](std::string_view data) { return (*catalog)->Infer(LinkIds(data)); };
  const Definition* const phq9 = infer(Coded(kPhq9, std::vector<int>(9, 0)));
  ASSERT_NE(phq9, nullptr);
  EXPECT_EQ(phq9->name(), "phq9");
  EXPECT_EQ(infer(R"({"/44250-9":1,"\/44260-8":null})"), phq9);
  EXPECT_EQ(infer(R"({"44250-9":1,"else":2})"), nullptr);
  EXPECT_EQ(infer(R"({"44250-9":1,"69725-0":2})"), nullptr);
  EXPECT_EQ(infer(R"("felt well")"), nullptr);
}

}  // namespace
}  // namespace weir::clinical

#include "clinical/evaluate.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <random>
#include <thread>

#include "clinical/testing_instruments.h"

namespace weir::clinical {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::IsEmpty;

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

// One answer in any of the forms in which it may be sent.
std::string AnyForm(int score, std::mt19937& random) {
  const std::string code(kCodes[score]), text(kTexts[score]), number = std::to_string(score);
  switch (random() % 8) {
    case 0:
      return '"' + code + '"';
    case 1:
      return number;
    case 2:
      return '"' + text + '"';
    case 3:
      return '"' + number + '"';
    case 4:
      return "\"  " + text + "\\u00a0\"";
    case 5:
      return "[" + number + ".0]";
    case 6:
      return R"({"system":"http://loinc.org","code":")" + code + "\"}";
    default:
      return R"({"valueCoding":{"display":")" + text + "\"}}";
  }
}

std::string AnyLinkId(std::string_view address, std::mt19937& random) {
  constexpr std::string_view kBefore[] = {"", "/", "\\/", "\\u002f"};
  return '"' + std::string(kBefore[random() % std::size(kBefore)]) + std::string(address) + '"';
}

std::string AsObject(const std::vector<size_t>& order, const std::vector<int>& scores,
                     std::mt19937& random) {
  std::string json = " {";
  for (const size_t i : order) {
    if (scores[i] < 0) continue;
    json += AnyLinkId(kPhq9[i], random) + " : " + AnyForm(scores[i], random) + ",";
  }
  if (json.back() == ',') json.pop_back();
  return json + "}\n";
}

// Nested at random: sections, and items below answers.
std::string AsResponse(const std::vector<size_t>& order, const std::vector<int>& scores,
                       std::mt19937& random) {
  std::string items;
  for (const size_t i : order) {
    if (scores[i] < 0) continue;
    const std::string link_id = AnyLinkId(kPhq9[i], random);
    const std::string code(kCodes[scores[i]]);
    const std::string value = random() % 3 == 0 ? R"("valueInteger":)" + std::to_string(scores[i])
                              : random() % 2 == 0
                                  ? R"("valueString":")" + std::string(kTexts[scores[i]]) + '"'
                                  : R"("valueCoding":{"code":")" + code + "\"}";
    const bool below = !items.empty() && random() % 4 == 0;
    const std::string answer =
        "\"answer\":[{" + value + (below ? ",\"item\":[" + items + "]" : "") + "}]";
    const std::string item = random() % 2 == 0 ? "{\"linkId\":" + link_id + "," + answer + "}"
                                               : "{" + answer + ",\"linkId\":" + link_id + "}";
    items = below || items.empty() ? item : items + "," + item;
  }
  const std::string type = R"("resourceType":"QuestionnaireResponse")";
  return random() % 2 == 0 ? "{" + type + ",\"item\":[" + items + "]}"
                           : "{\"item\":[" + items + "]," + type + "}";
}

// What a report means depends neither on the order of its answers nor on the form they have.
TEST(Evaluate, FormAndOrderChangeNothing) {
  std::mt19937 random(3);
  for (int run = 0; run < 5'000; ++run) {
    std::vector<int> scores(9);
    for (int& score : scores) score = static_cast<int>(random() % 9) == 0 ? -1 : random() % 4;
    std::vector<size_t> order(9);
    for (size_t i = 0; i < 9; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    const Evaluation plain = EvaluatePhq9(Coded(kPhq9, scores));
    const std::string data =
        run % 2 == 0 ? AsObject(order, scores, random) : AsResponse(order, scores, random);
    SCOPED_TRACE(data);
    const Evaluation other = EvaluatePhq9(data);
    ASSERT_EQ(other.total, plain.total);
    ASSERT_EQ(other.band, plain.band);
    ASSERT_EQ(other.level, plain.level);
    ASSERT_EQ(other.reason, plain.reason);
    ASSERT_EQ(other.unscored_reason, plain.unscored_reason);
    ASSERT_EQ(other.items.size(), plain.items.size());
    for (size_t i = 0; i < plain.items.size(); ++i) {
      ASSERT_EQ(other.items[i].address, plain.items[i].address);
      ASSERT_EQ(other.items[i].code, plain.items[i].code);
      ASSERT_EQ(other.items[i].score, plain.items[i].score);
    }
    // Triage at intake and evaluation later never differ.
    const Triage triage = TriageReport(Phq9(), data);
    ASSERT_EQ(triage.level, plain.level);
    ASSERT_EQ(triage.reason, plain.reason);
  }
}

// All 4^9 answers: the total is their sum, and the level what the rules say.
TEST(Triage, EveryPhq9IsGradedByItsRules) {
  for (int number = 0; number < 1 << 18; number += 1) {
    std::vector<int> scores(9);
    int total = 0;
    for (size_t i = 0; i < 9; ++i) total += scores[i] = number >> (2 * i) & 3;
    const Level expected = scores[8] > 0 || total >= 20 ? Level::kUrgent
                           : total >= 10                ? Level::kElevated
                                                        : Level::kNone;
    ASSERT_EQ(TriageReport(Phq9(), Coded(kPhq9, scores)).level, expected) << number;
  }
}

// An answer that cannot be right is still not overlooked.
TEST(Triage, Item9OutOfRangeIsUrgent) {
  EXPECT_EQ(TriageReport(Phq9(), R"({"44260-8":4})").reason, "item 44260-8 is 4");
  EXPECT_EQ(TriageReport(Phq9(), R"({"44260-8":true})").level, Level::kUrgent);
  EXPECT_EQ(TriageReport(Phq9(), R"({"44260-8":0,"/44260-8":2})").reason, "item 44260-8 is 2");
  EXPECT_EQ(TriageReport(Phq9(), R"({"44260-8":["LA6568-5","LA6570-1"]})").level, Level::kUrgent);
  // What comes after it may be broken.
  EXPECT_EQ(TriageReport(Phq9(), R"({"44260-8":1,"note":"\ud800","x":1e999,)").level,
            Level::kUrgent);
}

TEST(Triage, SaysAllReasonsOfItsLevel) {
  EXPECT_EQ(TriageReport(Phq9(), Coded(kPhq9, std::vector<int>(9, 3))).reason,
            "item 44260-8 is 3; total 44261-6 is 27");
}

TEST(Triage, RulesMayGiveAReason) {
  const auto definition = MustCompile(ReadFile("config/instruments/phq9.json"), R"(
format: 1
name: phq9
version: "2"
risk: [{item: 44260-8, is: "!= 0", level: elevated, reason: self-harm}]
)");
  const Triage triage = TriageReport(*definition, R"({"44260-8":1})");
  EXPECT_EQ(triage.level, Level::kElevated);
  EXPECT_EQ(triage.reason, "item 44260-8 is 1 (self-harm)");
  EXPECT_FALSE(definition->compares());
}

// The same bytes give the same outcome, whatever the thread evaluated before.
TEST(Evaluate, LeavesNothingBehind) {
  const std::string report = Coded(kPhq9, {3, 1, 0, 2, 3, 1, 0, 2, 1});
  const Evaluation before = EvaluatePhq9(report);
  for (const char* other :
       {R"({"69725-0":"\u0041"})", R"("text")", "{\"a", "[]", "{\"44260-8\":[3,2]}"}) {
    (void)EvaluatePhq9(other);
    (void)Evaluate(&Gad7(), other, kNow);
    (void)LinkIds(other);
    const Evaluation after = EvaluatePhq9(report);
    EXPECT_EQ(after.total, before.total);
    EXPECT_EQ(after.items.size(), before.items.size());
    EXPECT_THAT(after.flags, IsEmpty());
  }
}

TEST(Evaluate, ThreadsShareADefinition) {
  std::vector<std::thread> threads;
  std::array<int, 4> right{};
  for (size_t thread = 0; thread < right.size(); ++thread) {
    threads.emplace_back([&, thread] {
      const int total = static_cast<int>(thread) * 7;
      const std::string report = Coded(kPhq9, Spread(total, 9));
      for (int i = 0; i < 500; ++i) {
        const bool same = EvaluatePhq9(report).total == total &&
                          TriageReport(Phq9(), report).reason == EvaluatePhq9(report).reason;
        right[thread] += same ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(right, ::testing::Each(500));
}

TEST(LookAt, FindsTheInstrumentAsTheSenderMeansIt) {
  const auto loaded = Catalog::Load("config/instruments");
  ASSERT_TRUE(loaded.has_value());
  const Catalog& catalog = **loaded;
  const Definition* const phq9 = catalog.Find("phq9");
  const std::string answers = Coded(kPhq9, {0, 0, 0, 0, 0, 0, 0, 0, 1});
  const FirstLook inferred = LookAt(catalog, "", answers);
  EXPECT_EQ(inferred.definition, phq9);
  EXPECT_EQ(inferred.triage.level, Level::kUrgent);
  EXPECT_EQ(inferred.authored_ms, std::nullopt);
  EXPECT_EQ(LookAt(catalog, "PHQ-9", answers).definition, phq9);
  EXPECT_EQ(LookAt(catalog, "44249-1", answers).triage.level, Level::kUrgent);
  EXPECT_EQ(LookAt(catalog, "other", answers).definition, nullptr);
  const FirstLook response = LookAt(catalog, "", R"({"resourceType":"QuestionnaireResponse",
    "questionnaire":"urn:weir:instrument:phq9|1.0.0","authored":"2026-11-24T10:00:00+01:00",
    "item":[{"linkId":"comment","answer":[{"valueString":"x"}]}]})");
  EXPECT_EQ(response.definition, phq9);
  EXPECT_EQ(response.authored_ms, 1'795'510'800'000);
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

// Held against questionnaires and responses that nobody here wrote (WEIR_TRUTH, see its README).
#include <gmock/gmock.h>
#include <simdjson.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "clinical/evaluate.h"
#include "clinical/testing_instruments.h"

namespace weir::clinical {
namespace {

namespace fs = std::filesystem;

constexpr ReportTimes kNow{1'700'000'000'000, {}};

// What a cleansing rule is about, in the terms of the outside validators.
const std::map<std::string, std::set<std::string>> kRulesOf = {
    {"invalidAnswerType", {"wrong-type"}}, {"invalidAnswerOption", {"unknown-code"}},
    {"required", {"unanswered-required"}}, {"minCount", {"unanswered-required"}},
    {"maxCount", {"too-many-answers"}},    {"repeats", {"too-many-answers"}},
    {"minValue", {"out-of-range"}},        {"maxValue", {"out-of-range"}},
    {"displayAnswer", {"not-answerable"}}, {"invalidLinkId", {"unknown-item"}},
    {"invalidNewLine", {"line-break"}},    {"invalidUrlValue", {"uri-invalid"}},
};
// What we do not judge: code systems and value sets kept elsewhere, attachments, regular
// expressions, types of resources, and the life cycle of questionnaires.
const std::set<std::string> kNotJudged = {"invalidCoding",
                                          "tsError",
                                          "attachmentSizeInconsistent",
                                          "maxAttachmentSize",
                                          "invalidRefResourceType",
                                          "invalidRefResourceTypeRestriction",
                                          "invalidUnitValueSet",
                                          "regex",
                                          "questionnaireDraft",
                                          "questionnaireInactive",
                                          "questionnaireRetired"};

// Questionnaires that are no instruments, and what is said of them.
const std::map<std::string, std::string> kRefused = {
    {"abstract-question-type-included-qr",
     "questionnaire: item[0].type: 'question' is not a type of item that this program knows"},
    {"display-answer-included-qr", "questionnaire: item: has no question that can be answered"},
};

std::vector<std::string> CodesOf(const std::string& outcome) {
  simdjson::dom::parser parser;
  simdjson::dom::element root = parser.parse(simdjson::padded_string(outcome));
  std::vector<std::string> codes;
  simdjson::dom::array issues;
  if (root["issue"].get(issues) != simdjson::SUCCESS) return codes;
  for (const auto issue : issues) {
    std::string_view code = issue["details"]["coding"].at(0)["code"];
    codes.emplace_back(code);
  }
  return codes;
}

class Truth : public ::testing::Test {
 protected:
  void SetUp() override {
    if (TruthDirectory().empty()) GTEST_SKIP() << "WEIR_TRUTH names no folder of outside data";
  }
};

// Each defect that the outside validators name and that is ours to see is flagged; where they see
// none, neither do we.
TEST_F(Truth, OutsideResponsesAreFlaggedAsOthersFlagThem) {
  int pairs = 0;
  size_t refused = 0;
  for (const auto& entry : fs::directory_iterator(TruthDirectory() / "questionnaire-responses")) {
    const fs::path& folder = entry.path();
    if (!fs::is_directory(folder)) continue;
    SCOPED_TRACE(folder.filename());
    ++pairs;
    const std::vector<std::string> codes = CodesOf(ReadFile(folder / "expected-outcome.json"));
    const auto definition = Definition::Compile(ReadFile(folder / "supporting-0.json"), "");
    if (!definition) {
      EXPECT_EQ(definition.error().message, kRefused.at(folder.filename().string()));
      ++refused;
      continue;
    }
    const Evaluation evaluation =
        Evaluate(definition->get(), ReadFile(folder / "response.json"), kNow);
    std::set<std::string> flagged;
    for (const Flag& flag : evaluation.flags) flagged.insert(flag.rule);
    std::set<std::string> expected;
    for (const std::string& code : codes) {
      if (kNotJudged.contains(code)) continue;
      if (code == "invalidRefValue") {
        expected.insert("uri-invalid");
        continue;
      }
      ASSERT_TRUE(kRulesOf.contains(code)) << code;
      expected.insert(kRulesOf.at(code).begin(), kRulesOf.at(code).end());
    }
    for (const std::string& rule : expected) EXPECT_TRUE(flagged.contains(rule)) << rule;
    flagged.erase("unit-converted");  // a change, not a defect
    // Below an unknown section the validator looks no further; we miss what should be there.
    if (expected.contains("unknown-item")) flagged.erase("unanswered-required");
    for (const std::string& rule : flagged) EXPECT_TRUE(expected.contains(rule)) << rule;
  }
  EXPECT_EQ(pairs, 36);
  EXPECT_EQ(refused, kRefused.size());
}

std::string SlashedCoded(const std::vector<int>& scores) {
  std::string json = R"({"resourceType":"QuestionnaireResponse","item":[)";
  for (size_t i = 0; i < kPhq9.size(); ++i) {
    if (scores[i] < 0) continue;
    json += R"({"linkId":"/)" + std::string(kPhq9[i]) +
            R"(","answer":[{"valueCoding":{"system":"http://loinc.org","code":")" +
            std::string(kCodes[scores[i]]) + R"(","display":")" + std::string(kTexts[scores[i]]) +
            R"("}}]},)";
  }
  if (json.back() == ',') json.pop_back();
  return json + "]}";
}

// The PHQ-9 of LHC-Forms, as it is, means what ours means, for every pair of answers and many more.
TEST_F(Truth, OutsidePhq9ScoresLikeOurs) {
  const std::string outside = ReadFile(TruthDirectory() / "questionnaires/phq9.json");
  const auto with_rules = MustCompile(outside, ReadFile("config/instruments/phq9.rules.yaml"));
  const auto without_rules = MustCompile(outside, "");
  ASSERT_TRUE(with_rules && without_rules);
  EXPECT_EQ(with_rules->name(), "phq9");
  EXPECT_EQ(without_rules->rules_version(), "");
  EXPECT_NE(with_rules->hash(), Phq9().hash());

  const auto compare = [&](const std::vector<int>& scores) {
    const std::string object = Coded(kPhq9, scores), response = SlashedCoded(scores);
    const Evaluation ours = Evaluate(&Phq9(), object, kNow);
    for (const std::string& data : {object, response}) {
      SCOPED_TRACE(data);
      const Evaluation theirs = Evaluate(with_rules.get(), data, kNow);
      ASSERT_EQ(theirs.total, ours.total);
      ASSERT_EQ(theirs.band, ours.band);
      ASSERT_EQ(theirs.level, ours.level);
      ASSERT_EQ(theirs.reason, ours.reason);
      ASSERT_EQ(theirs.unscored_reason, ours.unscored_reason);
      ASSERT_EQ(theirs.items.size(), ours.items.size());
      for (size_t i = 0; i < ours.items.size(); ++i) {
        ASSERT_EQ(theirs.items[i].address, ours.items[i].address);
        ASSERT_EQ(theirs.items[i].code, ours.items[i].code);
        ASSERT_EQ(theirs.items[i].score, ours.items[i].score);
      }
      ASSERT_EQ(TriageReport(*with_rules, data).level, ours.level);
      const Evaluation bare = Evaluate(without_rules.get(), data, kNow);
      ASSERT_EQ(bare.total, ours.total);
      ASSERT_EQ(bare.band, "");
      ASSERT_EQ(bare.level, Level::kNone);
    }
  };
  // Every pair of items with every pair of answers (or none), over three backgrounds.
  for (const int background : {-1, 0, 3}) {
    for (size_t a = 0; a < 9; ++a) {
      for (size_t b = 0; b < a; ++b) {
        for (int pair = 0; pair < 25; ++pair) {
          std::vector<int> scores(9, background);
          scores[a] = pair / 5 - 1;
          scores[b] = pair % 5 - 1;
          compare(scores);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
  std::mt19937 random(20260509);
  for (int i = 0; i < 2'000; ++i) {
    std::vector<int> scores(9);
    for (int& score : scores) score = static_cast<int>(random() % 9) % 5 % 4;
    compare(scores);
    if (HasFatalFailure()) return;
  }
}

TEST_F(Truth, OfficialExamplesAreRead) {
  const fs::path examples = TruthDirectory() / "fhir-r4-examples";
  const auto evaluate = [&](const std::string& id) {
    const auto definition = MustCompile(ReadFile(examples / ("Questionnaire-" + id + ".json")), "");
    return Evaluate(definition.get(),
                    ReadFile(examples / ("QuestionnaireResponse-" + id + ".json")), kNow);
  };
  const auto by_address = [](const Evaluation& evaluation) {
    std::map<std::string, CleanItem> items;
    for (const CleanItem& item : evaluation.items) items.emplace(item.address, item);
    return items;
  };
  const auto birth = by_address(evaluate("bb"));
  EXPECT_EQ(birth.at("sex").code, "F");  // sent as "f"
  EXPECT_THAT(birth.at("sex").rules, ::testing::ElementsAre("code-case"));
  EXPECT_EQ(birth.at("birthWeight").number, 3.25);
  EXPECT_EQ(birth.at("hepBgiven").code, "true");
  EXPECT_EQ(birth.at("hepBgivenDate").text, "1972-12-04");  // below an answer
  // The response calls it vitaminKDose1, the questionnaire vitaminiKDose1.
  EXPECT_THAT(birth.at("vitaminKDose1").rules, ::testing::ElementsAre("unknown-item"));

  const auto cancer = by_address(evaluate("3141"));
  EXPECT_EQ(cancer.at("1.1.1.1").code, "1");  // a value set kept elsewhere

  const auto lifelines = evaluate("f201");
  EXPECT_EQ(by_address(lifelines).at("3.1").code, "false");  // a boolean, answered "No"
  EXPECT_THAT(by_address(lifelines).at("3.2").rules, ::testing::ElementsAre("wrong-type"));
}

// The Glasgow coma scale brings its answers as value sets, and its rules the scores.
TEST_F(Truth, GlasgowComaScaleIsTwoFilesAndNoCode) {
  const fs::path examples = TruthDirectory() / "fhir-r4-examples";
  const auto definition = MustCompile(ReadFile(examples / "Questionnaire-gcs.json"), R"(
format: 1
name: gcs
version: "1"
total: {code: 9269-2}
scores:
  "1.1": {LA6557-8: 1, LA6558-6: 2, LA6559-4: 3, LA6560-2: 4, LA6561-0: 5}
  "1.2": {LA6562-8: 1, LA6563-6: 2, LA6564-4: 3, LA6565-1: 4, LA6566-9: 5, LA6567-7: 6}
  "1.3": {LA6553-7: 1, LA6554-5: 2, LA6555-2: 3, LA6556-0: 4}
bands:
  - {name: severe, from: 3, to: 8}
  - {name: moderate, from: 9, to: 12}
  - {name: mild, from: 13, to: 15}
risk:
  - {total: "<= 8", level: urgent}
)");
  ASSERT_NE(definition, nullptr);
  const Evaluation evaluation =
      Evaluate(definition.get(), ReadFile(examples / "QuestionnaireResponse-gcs.json"),
               {1'418'359'456'000, {}});
  EXPECT_EQ(evaluation.total, 13);
  EXPECT_EQ(evaluation.band, "mild");
  EXPECT_THAT(evaluation.flags, ::testing::IsEmpty());
  EXPECT_EQ(
      TriageReport(*definition, R"({"1.1":1,"1.2":"no motor response","1.3":"LA6554-5"})").level,
      Level::kUrgent);
}

// Any prefix of any response is read without harm, and nothing alters the outcome but the bytes.
TEST_F(Truth, CutResponsesAreReadAsFarAsTheyGo) {
  const auto without_rules =
      MustCompile(ReadFile(TruthDirectory() / "questionnaires/phq9.json"), "");
  const std::string whole = SlashedCoded({3, 3, 3, 3, 3, 3, 3, 3, 3});
  size_t items = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    const Evaluation evaluation =
        Evaluate(without_rules.get(), std::string_view(whole).substr(0, size), kNow);
    ASSERT_GE(evaluation.items.size(), items);
    items = evaluation.items.size();
  }
  EXPECT_EQ(items, 9u);
}

}  // namespace
}  // namespace weir::clinical

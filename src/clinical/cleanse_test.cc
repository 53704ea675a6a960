// One item, one answer: what it is cleaned to, and which rules say so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "clinical/cleansing_rules.h"
#include "clinical/evaluate.h"
#include "clinical/testing_instruments.h"

namespace weir::clinical {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

constexpr ReportTimes kNow{1'700'000'000'000, {}};

// One item of each type, with what its extensions can say.
constexpr std::string_view kDiary = R"({"resourceType":"Questionnaire","id":"diary","item":[
  {"linkId":"mood","type":"choice","answerOption":[
    {"valueCoding":{"system":"s","code":"M0","display":"Very bad"}},
    {"valueCoding":{"system":"s","code":"M1","display":"Fair"}},
    {"valueCoding":{"system":"s","code":"M2","display":" fair "}},
    {"valueCoding":{"system":"s","code":"M3","display":"Good"}},
    {"valueCoding":{"system":"s","code":"M4","display":"Very good"}}]},
  {"linkId":"plan","type":"open-choice","answerOption":[{"valueString":"rest"},{"valueString":"walk"}]},
  {"linkId":"symptoms","type":"choice","repeats":true,"answerOption":[
    {"valueCoding":{"code":"S1","display":"Cough"}},{"valueCoding":{"code":"S2","display":"Fever"}}]},
  {"linkId":"pain","type":"integer","extension":[
    {"url":"http://hl7.org/fhir/StructureDefinition/minValue","valueInteger":0},
    {"url":"http://hl7.org/fhir/StructureDefinition/maxValue","valueInteger":10}]},
  {"linkId":"weight","type":"decimal","extension":[
    {"url":"http://hl7.org/fhir/StructureDefinition/questionnaire-unit","valueCoding":{"code":"kg"}},
    {"url":"http://hl7.org/fhir/StructureDefinition/maxValue","valueDecimal":300}]},
  {"linkId":"temperature","type":"quantity","extension":[
    {"url":"http://hl7.org/fhir/StructureDefinition/questionnaire-unit","valueCoding":{"code":"Cel"}}]},
  {"linkId":"dose","type":"quantity"},
  {"linkId":"smokes","type":"boolean"},
  {"linkId":"since","type":"date"},
  {"linkId":"taken","type":"dateTime"},
  {"linkId":"at","type":"time"},
  {"linkId":"name","type":"string"},
  {"linkId":"note","type":"text"},
  {"linkId":"site","type":"url"},
  {"linkId":"section","type":"group","item":[{"linkId":"tip","type":"display"},
    {"linkId":"inner","type":"string"}]}]})";

const Definition& Diary() {
  static const auto definition = MustCompile(kDiary, R"(
format: 1
name: diary
version: "1"
scores: {mood: {M0: 0, M1: 1, M2: 2, M3: 3, M4: 3}, symptoms: {S1: 1, S2: 2}}
total: {code: t, items: [pain, symptoms]}
)");
  return *definition;
}

CleanItem CleanOne(const std::string& link_id, const std::string& answer) {
  const Evaluation evaluation = Evaluate(&Diary(), "{\"" + link_id + "\":" + answer + "}", kNow);
  EXPECT_EQ(evaluation.items.size(), 1u) << answer;
  if (evaluation.items.empty()) return {};
  EXPECT_EQ(evaluation.items[0].original, answer);
  // What is said of an item is said of the report too.
  EXPECT_EQ(evaluation.flags.size(), evaluation.items[0].rules.size());
  return evaluation.items[0];
}

using Rules = std::vector<std::string>;

struct Case {
  const char* answer;
  std::optional<std::string> code;
  std::optional<double> number;
  std::optional<std::string> text;
  Rules rules;
};

void Check(const std::string& link_id, const std::vector<Case>& cases) {
  for (const Case& expected : cases) {
    SCOPED_TRACE(link_id + ": " + expected.answer);
    const CleanItem item = CleanOne(link_id, expected.answer);
    EXPECT_EQ(item.code, expected.code);
    EXPECT_EQ(item.number, expected.number);
    EXPECT_EQ(item.text, expected.text);
    EXPECT_THAT(item.rules, ElementsAreArray(expected.rules));
  }
}

TEST(Cleanse, ChoicesAreRecognisedInEveryForm) {
  Check("mood",
        {{R"("M0")", "M0", {}, {}, {}},
         {R"({"system":"s","code":"M3","display":"good"})", "M3", {}, {}, {}},
         {R"({"code":"M3"})", "M3", {}, {}, {}},
         {R"({"valueCoding":{"code":"M3"}})", "M3", {}, {}, {}},
         {R"({"system":"other","code":"M3"})", "M3", {}, {}, {"system-differs"}},
         {R"({"code":"M3","display":"Very bad"})", "M3", {}, "Very bad", {"display-differs"}},
         {R"({"display":"Very bad"})", "M0", {}, "Very bad", {"code-from-text"}},
         {R"({"code":"Z","display":"Very bad"})", "M0", {}, {}, {"code-from-text", "unknown-code"}},
         {R"({"code":"Z"})", "Z", {}, {}, {"unknown-code"}},
         {R"(" m0 ")", "M0", {}, {}, {"trimmed", "code-case"}},
         {R"("\u00a0Very   BAD ")", "M0", {}, "Very   BAD", {"trimmed", "code-from-text"}},
         {R"("Fair")", {}, {}, "Fair", {"ambiguous-text"}},
         {R"("Dreadful")", {}, {}, "Dreadful", {"unknown-code"}},
         {R"(0)", "M0", 0, {}, {"code-from-score"}},
         {R"("1,0")", "M1", 1, {}, {"code-from-score", "number-from-text", "decimal-comma"}},
         {R"(7)", {}, 7, {}, {"out-of-range"}},
         {R"(1e999)", {}, {}, {}, {"unreadable"}},
         {R"(true)", {}, {}, {}, {"wrong-type"}},
         {R"({"a":{"b":["M0"]}})", {}, {}, {}, {"wrong-type"}}});
  // Two answers with the same score: which it was cannot be told, what it counts can.
  const CleanItem three = CleanOne("mood", "3");
  EXPECT_EQ(three.code, std::nullopt);
  EXPECT_EQ(three.score, 3);
}

TEST(Cleanse, OpenChoicesTakeTextOfTheirOwn) {
  Check("plan", {{R"("Walk")", "walk", {}, {}, {"code-case"}},
                 {R"(" swim\u00a0far ")", {}, {}, "swim far", {"trimmed", "spaces-replaced"}}});
}

TEST(Cleanse, NumbersAreReadAndHeldToTheirRange) {
  Check("pain", {{"7", {}, 7, {}, {}},
                 {R"(" 7 ")", {}, 7, {}, {"number-from-text"}},
                 {R"({"valueInteger":7})", {}, 7, {}, {}},
                 {"11", {}, 11, {}, {"out-of-range"}},
                 {"-1", {}, -1, {}, {"out-of-range"}},
                 {"2.5", {}, 2.5, {}, {"not-integer"}},
                 {R"("seven")", {}, {}, "seven", {"unreadable"}},
                 {R"("7 or 8")", {}, {}, "7 or 8", {"unreadable"}},
                 {"true", {}, {}, {}, {"wrong-type"}},
                 {R"({"code":"7"})", {}, {}, {}, {"wrong-type"}}});
}

TEST(Cleanse, UnitsAreConverted) {
  Check(
      "weight",
      {{"70.5", {}, 70.5, {}, {}},
       {R"("70,5 kg")", {}, 70.5, {}, {"number-from-text", "decimal-comma"}},
       {R"("154 lbs")", {}, 69.853225, {}, {"number-from-text", "unit-converted"}},
       {R"("700 lb")", {}, 317.514659, {}, {"number-from-text", "unit-converted", "out-of-range"}},
       {R"("12 stone-ish")", {}, {}, "12 stone-ish", {"number-from-text", "unit-unknown"}}});
  Check("temperature",
        {{R"({"value":37.2,"code":"Cel"})", {}, 37.2, {}, {}},
         {R"({"value":98.6,"unit":"°F","code":"[degF]"})", {}, 37, {}, {"unit-converted"}},
         {R"({"value":37.2})", {}, 37.2, {}, {"unit-assumed"}},
         {"37.2", {}, 37.2, {}, {"unit-assumed"}},
         {R"({"value":70,"code":"kg"})", {}, {}, "kg", {"unit-unknown"}}});
  Check("dose", {{R"({"value":2,"unit":"tablets"})", {}, 2, "tablets", {}}});
}

TEST(Cleanse, BooleansAreReadAsPeopleWriteThem) {
  Check("smokes", {{"true", "true", 1, {}, {}},
                   {"0", "false", 0, {}, {"boolean-from-number"}},
                   {R"(" Yes")", "true", 1, {}, {"boolean-from-text"}},
                   {"2", {}, {}, {}, {"wrong-type"}},
                   {R"("sometimes")", {}, {}, "sometimes", {"wrong-type"}}});
}

TEST(Cleanse, TimesMustExist) {
  Check("since", {{R"("2026-11-24")", {}, {}, "2026-11-24", {}},
                  {R"(" 2026-11 ")", {}, {}, "2026-11", {"trimmed"}},
                  {R"("2026-02-30")", {}, {}, "2026-02-30", {"unreadable"}},
                  {R"("24/11/2026")", {}, {}, "24/11/2026", {"unreadable"}},
                  {R"("1826-11-24")", {}, {}, "1826-11-24", {"time-implausible"}},
                  {"20261124", {}, {}, {}, {"wrong-type"}}});
  Check("taken", {{R"("2026-11-24T08:00:00+02:00")", {}, {}, "2026-11-24T08:00:00+02:00", {}}});
  Check("at", {{R"("08:30")", {}, {}, "08:30", {}}, {R"("8.30")", {}, {}, "8.30", {"unreadable"}}});
}

TEST(Cleanse, TextsAreTidied) {
  Check(
      "note",
      {{R"(" felt\u00a0well\nslept ")", {}, {}, "felt well\nslept", {"trimmed", "spaces-replaced"}},
       {R"("half \ud83d an emoji")", {}, {}, "half \uFFFD an emoji", {}},
       {"5", {}, {}, "5", {"wrong-type"}}});
  Check("name", {{R"("a\nb")", {}, {}, "a\nb", {"line-break"}}});
  Check("site", {{R"("https://example.org/1")", {}, {}, "https://example.org/1", {}},
                 {R"("c:\\x")", {}, {}, "c:\\x", {"uri-invalid"}}});
}

TEST(Cleanse, WhatIsNoQuestionIsKeptAndFlagged) {
  Check("tip", {{R"("ok")", {}, {}, {}, {"not-answerable"}}});
  Check("unheard-of", {{R"({"a":[1,2]})", {}, {}, {}, {"unknown-item"}}});
  Check("mood", {{"null", {}, {}, {}, {}}});
  const Evaluation nameless = Evaluate(&Diary(), R"({"resourceType":"QuestionnaireResponse","item":[
    {"answer":[{"valueInteger":1}]},{}]})",
                                       kNow);
  ASSERT_EQ(nameless.items.size(), 1u);
  EXPECT_EQ(nameless.items[0].address, "");
  EXPECT_THAT(nameless.items[0].rules, ElementsAre("unknown-item"));
}

TEST(Cleanse, AnswersThatRepeatAreEachKept) {
  const Evaluation both = Evaluate(&Diary(), R"({"symptoms":["S1","fever"],"pain":2})", kNow);
  ASSERT_EQ(both.items.size(), 3u);
  EXPECT_EQ(both.items[0].code, "S1");
  EXPECT_EQ(both.items[1].code, "S2");
  EXPECT_EQ(both.total, 5);  // what was chosen adds up
  const Evaluation too_many = Evaluate(&Diary(), R"({"symptoms":"S1","pain":[2,3]})", kNow);
  EXPECT_EQ(too_many.total, std::nullopt);
  EXPECT_EQ(too_many.unscored_reason, "item pain has answers that differ");
  EXPECT_THAT(too_many.items[2].rules, ElementsAre("too-many-answers"));
  EXPECT_EQ(Evaluate(&Diary(), R"({"symptoms":"S1","pain":[3,3]})", kNow).total, 4);
}

TEST(Cleanse, LinkIdsSentTwiceCountOnlyIfTheyAgree) {
  const Evaluation same = Evaluate(&Diary(), R"({"pain":2,"symptoms":"S1","/pain":"2"})", kNow);
  EXPECT_EQ(same.total, 3);
  ASSERT_EQ(same.items.size(), 3u);
  EXPECT_THAT(same.items[1].rules, ElementsAre("duplicate-item"));
  EXPECT_THAT(same.items[2].rules, ElementsAre("number-from-text", "duplicate-item"));
  const Evaluation differ = Evaluate(&Diary(), R"({"pain":2,"symptoms":"S1","pain":3})", kNow);
  EXPECT_EQ(differ.total, std::nullopt);
  EXPECT_EQ(differ.unscored_reason, "item pain has answers that differ");
  EXPECT_EQ(differ.items.size(), 3u);
  // An answer taken back by a null is no second answer.
  EXPECT_EQ(Evaluate(&Diary(), R"({"pain":null,"symptoms":"S1","pain":3})", kNow).total, 4);
}

TEST(Cleanse, ATotalSentIsComparedWithOurs) {
  std::string data = Coded(kPhq9, {1, 1, 1, 1, 1, 1, 1, 1, 0});
  data.pop_back();
  EXPECT_THAT(Evaluate(&Phq9(), data + ",\"44261-6\":8}", kNow).flags, IsEmpty());
  const Evaluation wrong = Evaluate(&Phq9(), data + ",\"44261-6\":9}", kNow);
  EXPECT_EQ(wrong.total, 8);
  ASSERT_EQ(wrong.flags.size(), 1u);
  EXPECT_EQ(wrong.flags[0].rule, "total-differs");
  // Where the total is no item of the questionnaire it is compared all the same.
  EXPECT_EQ(Evaluate(&Diary(), R"({"pain":2,"symptoms":"S1","t":4})", kNow).flags[0].rule,
            "total-differs");
}

std::vector<std::string> ReportRules(std::string_view data, const ReportTimes& times,
                                     const Definition* definition = &Diary()) {
  std::vector<std::string> rules;
  for (const Flag& flag : Evaluate(definition, data, times).flags) {
    if (flag.address.empty()) rules.push_back(flag.rule);
  }
  return rules;
}

TEST(Cleanse, TimesOfAuthoringMustBePlausible) {
  constexpr int64_t kReceived = 1'700'000'000'000, kMinute = 60'000, kDay = 86'400'000;
  const auto rules = [&](int64_t authored) { return ReportRules("{}", {kReceived, authored}); };
  const auto implausible = ElementsAre("time-implausible");
  EXPECT_THAT(rules(kReceived + 5 * kMinute), IsEmpty());
  EXPECT_THAT(rules(kReceived + 5 * kMinute + 1), implausible);
  EXPECT_THAT(rules(kReceived - 3652 * kDay), IsEmpty());
  EXPECT_THAT(rules(kReceived - 3653 * kDay), implausible);
  EXPECT_THAT(rules(-2'208'988'800'001), implausible);
  EXPECT_THAT(rules(INT64_MIN), implausible);
  EXPECT_THAT(rules(INT64_MAX), implausible);
  const auto response = [&](const std::string& authored) {
    return ReportRules(R"({"resourceType":"QuestionnaireResponse","authored":")" + authored + "\"}",
                       {kReceived, {}});
  };
  EXPECT_THAT(response("2023-11-14T22:18:00Z"), IsEmpty());
  EXPECT_THAT(response("2023-11-14T22:19:00Z"), implausible);
  EXPECT_THAT(response("2023-11-15"), IsEmpty());  // it is that day already, further east
  EXPECT_THAT(response("2023-11-16"), implausible);
  EXPECT_THAT(response("2023"), IsEmpty());
  EXPECT_THAT(response("yesterday"), implausible);
}

TEST(Cleanse, DataThatIsNoAnswersSaysSo) {
  const Evaluation text = Evaluate(nullptr, R"("slept badly")", kNow);
  EXPECT_THAT(text.items, IsEmpty());
  EXPECT_THAT(text.flags, IsEmpty());
  EXPECT_EQ(text.unscored_reason, "the data is free text");
  EXPECT_THAT(ReportRules(R"("slept badly")", kNow), ElementsAre("free-text"));
  EXPECT_THAT(ReportRules("[1,2]", kNow), ElementsAre("unreadable"));
  EXPECT_THAT(ReportRules(R"({"a":1})", kNow, nullptr), ElementsAre("unknown-instrument"));
  EXPECT_THAT(ReportRules(R"({"pain":3,"resourceType":"Bundle"})", kNow),
              ElementsAre("unsupported-resource"));
  EXPECT_THAT(ReportRules(R"({"pain":3,)", kNow), ElementsAre("malformed"));
  const Evaluation unknown = Evaluate(nullptr, R"({"a": 1, "b":["x",{"c":2}]})", kNow);
  ASSERT_EQ(unknown.items.size(), 3u);
  EXPECT_EQ(unknown.items[0].original, "1");
  EXPECT_EQ(unknown.items[2].original, R"({"c":2})");
  EXPECT_EQ(unknown.unscored_reason, "the instrument is not known");
  EXPECT_EQ(Evaluate(nullptr, R"({"a": 1})", kNow, false).unscored_reason,
            "no instrument is named, and not exactly one has all its items");
  constexpr std::string_view kResponse =
      R"({"resourceType":"QuestionnaireResponse","questionnaire":"http://a/q","item":[]})";
  EXPECT_EQ(Evaluate(nullptr, kResponse, kNow, false).unscored_reason,
            "the questionnaire that the response names is not known, and not exactly one has all "
            "its items");
}

// The names are stored with what they touched: whoever meets one must find what it means.
TEST(CleansingRules, AreAllDocumented) {
  const std::string document = ReadFile("docs/instruments.md");
  for (int i = 0; i < kRules; ++i) {
    const std::string row = "| `" + std::string(Name(static_cast<Rule>(i))) + "` |";
    EXPECT_NE(document.find(row), std::string::npos) << row;
  }
}

// A body of a megabyte of answers costs what ten thousand cost, and says that it was cut.
TEST(Cleanse, AnswersAreBounded) {
  std::string data = "{\"44260-8\":3";
  for (int i = 0; i < 60'000; ++i) data += ",\"x" + std::to_string(i) + "\":1";
  data += "}";
  const Evaluation evaluation = Evaluate(&Phq9(), data, kNow);
  EXPECT_EQ(evaluation.items.size(), 10'000u);
  EXPECT_EQ(evaluation.level, Level::kUrgent);
  EXPECT_EQ(evaluation.flags.back().rule, "answers-cut");
  EXPECT_THAT(ReportRules(R"({"pain":3})", kNow), IsEmpty());
}

}  // namespace
}  // namespace weir::clinical

#include "clinical/definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "clinical/evaluate.h"
#include "clinical/testing_instruments.h"

namespace weir::clinical {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace fs = std::filesystem;

std::string ErrorOf(std::string_view json, std::string_view yaml) {
  const auto definition = Definition::Compile(json, yaml);
  return definition ? "" : definition.error().message;
}

// Two scored items with answers 0 to 3, a text and a number.
constexpr std::string_view kMood = R"({"resourceType":"Questionnaire","name":"mood","item":[
  {"linkId":"m1","type":"choice","required":true,"answerOption":[
    {"valueCoding":{"code":"a0","display":"Never"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":0}]},
    {"valueCoding":{"code":"a3","display":"Often"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/ordinalValue","valueDecimal":3}]}]},
  {"linkId":"g","type":"group","item":[
    {"linkId":"/m2","type":"choice","answerOption":[
      {"valueCoding":{"code":"b0","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/itemWeight","valueDecimal":0}]}},
      {"valueCoding":{"code":"b2","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/itemWeight","valueDecimal":2}]}}]},
    {"linkId":"note","type":"text"},
    {"linkId":"weight","type":"decimal"}]}]})";

std::string Rules(const std::string& rest) {
  return "format: 1\nname: mood\nversion: '1'\n" + rest;
}

TEST(Definition, ShippedInstrumentsSayWhatTheyAre) {
  EXPECT_EQ(Phq9().name(), "phq9");
  EXPECT_EQ(Phq9().rules_version(), "1.0.0");
  EXPECT_EQ(Phq9().total_code(), "44261-6");
  EXPECT_EQ(Phq9().bands().size(), 5u);
  EXPECT_TRUE(Phq9().compares());
  EXPECT_EQ(Gad7().name(), "gad7");
  EXPECT_EQ(Gad7().total_code(), "70274-6");
  std::vector<std::string> scored;
  for (const Item& item : Phq9().items()) {
    if (item.scored) scored.push_back(item.address);
    if (item.address == "69722-7") {
      EXPECT_EQ(item.options.size(), 4u);
    }
  }
  EXPECT_THAT(scored, ::testing::ElementsAreArray(kPhq9));
}

TEST(Definition, IsNamedByBothFiles) {
  const std::string json = ReadFile("config/instruments/phq9.json");
  const std::string yaml = ReadFile("config/instruments/phq9.rules.yaml");
  const auto again = Definition::Unpack(Phq9().Pack());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ((*again)->hash(), Phq9().hash());
  EXPECT_EQ(Phq9().hash(), base::Sha256(Phq9().Pack()));
  EXPECT_NE(MustCompile(json, yaml + "\n")->hash(), Phq9().hash());
  EXPECT_NE(MustCompile(json + "\n", yaml)->hash(), Phq9().hash());
  // A byte moved from one file to the other is another definition.
  EXPECT_NE(MustCompile(json + " ", "")->hash(), MustCompile(json, " ")->hash());
}

TEST(Definition, DamagedPacksAreRefused) {
  const std::string packed = Phq9().Pack();
  for (size_t size = 0; size < packed.size(); size += 97) {
    EXPECT_FALSE(Definition::Unpack(std::string_view(packed).substr(0, size)).has_value());
  }
  EXPECT_FALSE(Definition::Unpack(packed + "x").has_value());
  EXPECT_TRUE(Definition::Unpack(packed).has_value());
}

TEST(Definition, TakesScoresInEveryFormInUse) {
  for (const char* url :
       {"ordinalValue", "itemWeight", "questionnaire-ordinalValue", "iso21090-CO-value"}) {
    SCOPED_TRACE(url);
    const std::string score = R"("extension":[{"url":"http://hl7.org/fhir/StructureDefinition/)" +
                              std::string(url) + R"(","valueDecimal":4}])";
    for (const std::string& option :
         {R"({"valueCoding":{"code":"a"},)" + score + "}",
          R"({"valueCoding":{"code":"a",)" + score + "}}", R"({"valueInteger":7,)" + score + "}"}) {
      const auto definition = MustCompile(
          R"({"resourceType":"Questionnaire","id":"q","item":[{"linkId":"1","type":"choice","answerOption":[)" +
              option + "]}]}",
          "");
      ASSERT_NE(definition, nullptr);
      EXPECT_EQ(definition->items()[0].options[0].score, 4);
      EXPECT_TRUE(definition->items()[0].scored);
    }
  }
}

TEST(Definition, ErrorsNameTheSpotInTheRules) {
  const std::pair<const char*, const char*> kWrong[] = {
      {"risks: []", "rules: unknown key 'risks'; the nearest known one is 'risk'"},
      {"risk: [{item: m1, is: '> 0', levle: urgent}]",
       "rules: risk[0]: unknown key 'levle'; the nearest known one is 'level'"},
      {"risk: [{item: m9, is: '> 0', level: urgent}]",
       "rules: risk[0].item: no item 'm9' in the questionnaire"},
      {"risk: [{item: note, is: '> 0', level: urgent}]",
       "rules: risk[0].item: item 'note' has no scores to compare"},
      {"risk: [{item: m1, level: urgent}]", "rules: risk[0]: a rule on an item needs 'is'"},
      {"risk: [{total: '> 1', rise: '> 1', level: urgent}]",
       "rules: risk[0]: needs exactly one of item, total and rise"},
      {"risk: [{total: '=> 1', level: urgent}]",
       "rules: risk[0].total: must be one of < <= == != >= > and a number (\">= 20\"), not '=> 1'"},
      {"risk: [{total: '>= 6', level: urgent}]",
       "rules: risk[0].total: never holds: totals are from 0 to 5"},
      {"risk: [{total: '>= 3', level: grave}]",
       "rules: risk[0].level: must be elevated or urgent, not 'grave'"},
      {"bands: [{name: low, from: 0, to: 2}, {name: high, from: 2, to: 5}]",
       "rules: bands[1].from: overlaps the band before it: must be 3"},
      {"bands: [{name: low, from: 0, to: 2}, {name: high, from: 4, to: 5}]",
       "rules: bands[1].from: leaves a gap to the band before it: must be 3"},
      {"bands: [{name: low, from: 1, to: 5}]", "rules: bands[0].from: the lowest total is 0"},
      {"bands: [{name: low, from: 0, to: 6}]", "rules: bands[0].to: the highest total is 5"},
      {"bands: [{name: low, from: 0, to: 2.5}, {name: high, from: 2.5, to: 5}]",
       "rules: bands[0]: totals are whole numbers, so from and to must be"},
      {"bands: [{name: x, from: 0, to: 2}, {name: x, from: 3, to: 5}]",
       "rules: bands[1].name: 'x' is there twice"},
      {"bands: [{name: x, from: 2, to: 0}]", "rules: bands[0]: from is above to"},
      {"bands: [{name: x, from: zero, to: 0}]",
       "rules: bands[0].from: must be a number, not 'zero'"},
      {"total: {items: [m1, m1]}", "rules: total.items[1]: names item 'm1' again"},
      {"total: {items: [m1, m7]}", "rules: total.items[1]: no item 'm7' in the questionnaire"},
      {"total: {items: [m1, note]}",
       "rules: total.items: item 'note' counts, but has neither scores nor a number to count"},
      {"scores: {m1: {a9: 1}}", "rules: scores.m1.a9: item 'm1' has no such answer"},
      {"scores: {note: {a9: 1}}",
       "rules: scores.note: an item of this type has no answers to give scores to"},
      {"safe_text: [m1]", "rules: safe_text[0]: item 'm1' takes no free text"},
      {"units: {note: kg}", "rules: units.note: this item takes no number"},
      {"version: '2'", "rules: version: is given twice"},
      {"authored_age_max_days: 0", "rules: authored_age_max_days: must be above 0"},
      {"bands: 5", "rules: bands: must be a list"},
      {"risk: [x]", "rules: risk[0]: must be a mapping of keys to values"},
      {"risk: [", "rules: line "},
      {"---\nname: x", "rules: must be one YAML document"},
      {"bands: &b []\nrisk: *b", "rules: use '&' or '*': write out what they refer to"},
  };
  for (const auto& [rules, message] : kWrong) {
    EXPECT_THAT(ErrorOf(kMood, Rules(rules)), StartsWith(message)) << rules;
  }
  EXPECT_EQ(ErrorOf(kMood, "name: mood\nversion: '1'"),
            "rules: format: is missing; this program reads format 1");
  for (const char* broken : {",", "}", ", ,", "? ,", "- ,\n,", "%YAML 9", "---", "!", "\x01"}) {
    EXPECT_THAT(ErrorOf(kMood, broken), StartsWith("rules: ")) << broken;
  }
  EXPECT_EQ(ErrorOf(kMood, "format: 2\nname: mood\nversion: '1'"),
            "rules: format: only format 1 is known");
  EXPECT_THAT(ErrorOf(kMood, "format: 1\nname: Mood 9\nversion: '1'"),
              StartsWith("rules: name: must"));
  // And once it is put right it loads.
  EXPECT_EQ(ErrorOf(kMood, Rules("risk: [{item: /m1, is: '> 0', level: urgent}]")), "");
}

TEST(Definition, ErrorsNameTheSpotInTheQuestionnaire) {
  const auto with_items = [](const std::string& items) {
    return R"({"resourceType":"Questionnaire","id":"q","item":[)" + items + "]}";
  };
  EXPECT_THAT(ErrorOf("{", ""), StartsWith("questionnaire: is not JSON"));
  EXPECT_EQ(ErrorOf("[]", ""), "questionnaire: must be a JSON object");
  EXPECT_EQ(ErrorOf(R"({"resourceType":"Patient"})", ""),
            "questionnaire: resourceType: must be 'Questionnaire'");
  EXPECT_EQ(ErrorOf(with_items(""), ""),
            "questionnaire: item: has no question that can be answered");
  EXPECT_EQ(ErrorOf(with_items(R"({"type":"string"})"), ""),
            "questionnaire: item[0].linkId: is missing");
  EXPECT_EQ(
      ErrorOf(with_items(R"({"linkId":"a","type":"string"},{"linkId":"/a","type":"string"})"), ""),
      "questionnaire: item[1].linkId: item 'a' is there twice");
  EXPECT_EQ(
      ErrorOf(with_items(R"({"linkId":"a","type":"choice","answerOption":[{"valueCoding":{}}]})"),
              ""),
      "questionnaire: item[0].answerOption: an answer has neither code nor value");
  EXPECT_EQ(
      ErrorOf(
          with_items(
              R"({"linkId":"a","type":"choice","answerOption":[{"valueString":"x"},{"valueString":"x"}]})"),
          ""),
      "questionnaire: item[0].answerOption: answer 'x' is there twice");
  EXPECT_EQ(
      ErrorOf(
          with_items(
              R"({"linkId":"a","type":"choice","answerOption":[{"valueString":"x"},{"valueString":"y","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/itemWeight","valueDecimal":1}]}]})"),
          ""),
      "questionnaire: item[0]: item 'a' counts towards the total, but its answer 'x' has no score "
      "(ordinalValue or itemWeight, or scores in the rules)");
}

TEST(Definition, FilesAreBounded) {
  EXPECT_THAT(ErrorOf(std::string((1 << 20) + 1, ' '), ""), HasSubstr("larger than 1 MiB"));
  EXPECT_THAT(ErrorOf(kMood, std::string((1 << 20) + 1, '#')), HasSubstr("larger than 1 MiB"));
  std::string items, options, deep;
  for (int i = 0; i <= 2'000; ++i) {
    items +=
        (i ? "," : "") + std::string(R"({"type":"string","linkId":")") + std::to_string(i) + "\"}";
  }
  EXPECT_THAT(ErrorOf(R"({"resourceType":"Questionnaire","id":"q","item":[)" + items + "]}", ""),
              HasSubstr("at most 2,000 items"));
  for (int i = 0; i <= 500; ++i) {
    options += (i ? "," : "") + std::string(R"({"valueString":")") + std::to_string(i) + "\"}";
  }
  EXPECT_THAT(
      ErrorOf(
          R"({"resourceType":"Questionnaire","id":"q","item":[{"linkId":"a","type":"choice","answerOption":[)" +
              options + "]}]}",
          ""),
      HasSubstr("at most 500 answers"));
  for (int i = 0; i < 40; ++i)
    deep += R"({"type":"group","linkId":")" + std::to_string(i) + R"(","item":[)";
  EXPECT_THAT(ErrorOf(R"({"resourceType":"Questionnaire","id":"q","item":[)" + deep, ""),
              StartsWith("questionnaire: is not JSON"));
  const std::string yaml_depth = Rules("bands: ") + std::string(100'000, '[');
  EXPECT_THAT(ErrorOf(kMood, yaml_depth), StartsWith("rules: "));
}

class CatalogFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "weir_catalog_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  void Write(const std::string& name, std::string_view content) {
    std::ofstream(directory_ / name, std::ios::binary) << content;
  }
  std::string LoadError() {
    const auto catalog = Catalog::Load(directory_.string());
    return catalog ? "" : catalog.error().message;
  }

  fs::path directory_;
};

TEST_F(CatalogFiles, ANewInstrumentIsTwoFiles) {
  Write("mood.json", kMood);
  Write("mood.rules.yaml", Rules("aliases: [Mood-Scale]\ntotal: {code: t1}"));
  Write("README.md", "not an instrument");
  fs::copy("config/instruments/phq9.json", directory_);
  const auto catalog = Catalog::Load(directory_.string());
  ASSERT_TRUE(catalog.has_value());
  EXPECT_EQ((*catalog)->all().size(), 2u);
  const Definition* const mood = (*catalog)->Find("mood");
  ASSERT_NE(mood, nullptr);
  EXPECT_EQ((*catalog)->Find(" mood-scale "), mood);
  EXPECT_EQ((*catalog)->Find("PHQ9")->rules_version(), "");  // without rules
  EXPECT_EQ((*catalog)->Find("44249-1"), (*catalog)->Find("phq9"));
  EXPECT_EQ((*catalog)->Find("urn:weir:instrument:phq9"), (*catalog)->Find("phq9"));
  EXPECT_EQ((*catalog)->Find("unheard of"), nullptr);
  EXPECT_EQ((*catalog)->Infer({"m1", "/m2", "g", "t1"}), mood);
  EXPECT_EQ((*catalog)->Infer({}), nullptr);
}

TEST_F(CatalogFiles, ErrorsNameTheFileAndPassOnceItIsPutRight) {
  Write("mood.rules.yaml", Rules(""));
  EXPECT_EQ(LoadError(), "mood.rules.yaml: there is no mood.json beside it");
  Write("mood.json", "{}");
  EXPECT_THAT(LoadError(), StartsWith("mood.json: questionnaire: "));
  Write("mood.json", kMood);
  Write("mood.rules.yaml", Rules("colour: red"));
  EXPECT_THAT(LoadError(), StartsWith("mood.rules.yaml: rules: unknown key 'colour'"));
  Write("mood.rules.yaml", Rules(""));
  Write("other.json", kMood);
  EXPECT_EQ(LoadError(), "other.json: its name 'mood' is that of mood.json");
  fs::remove(directory_ / "other.json");
  EXPECT_EQ(LoadError(), "");
  EXPECT_THAT(Catalog::Load((directory_ / "nowhere").string()).error().message,
              HasSubstr("cannot be read"));
}

// Two instruments with all the link ids: a guess would be wrong half of the time.
TEST(Catalog, InfersOnlyWhereOneFits) {
  std::vector<std::shared_ptr<const Definition>> many;
  for (int i = 0; i < 130; ++i) {
    many.push_back(
        MustCompile(R"({"resourceType":"Questionnaire","id":"q)" + std::to_string(i) +
                        R"(","item":[{"linkId":"shared","type":"string"},{"linkId":"own)" +
                        std::to_string(i) + R"(","type":"string"}]})",
                    ""));
  }
  const auto catalog = Catalog::Of(many);
  EXPECT_EQ(catalog->Infer({"shared"}), nullptr);
  EXPECT_EQ(catalog->Infer({"own1", "own2"}), nullptr);
  for (int i = 0; i < 130; ++i) {
    const std::string own = "own" + std::to_string(i);
    EXPECT_EQ(catalog->Infer({"shared", own}), many[static_cast<size_t>(i)].get());
  }
}

}  // namespace
}  // namespace weir::clinical

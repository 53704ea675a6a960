// A report's data, as object or as QuestionnaireResponse, against an instrument with an item of
// every type. Whatever the bytes: triage and evaluation agree, and the same bytes give the same
// outcome.
//
// Run from the project's root: build/fuzz/fuzz/fhir_answers/fuzz_fhir_answers
// fuzz/fhir_answers/corpus
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "clinical/evaluate.h"

namespace {

using weir::clinical::Catalog;
using weir::clinical::Definition;
using weir::clinical::Evaluation;

constexpr std::string_view kAllTypes = R"({"resourceType":"Questionnaire","id":"all","item":[
  {"linkId":"c","type":"choice","repeats":true,"answerOption":[
    {"valueCoding":{"system":"s","code":"A","display":"Not at all"}},
    {"valueCoding":{"system":"s","code":"B","display":"Several days"}},
    {"valueCoding":{"system":"t","code":"B","display":"several  days"}}]},
  {"linkId":"o","type":"open-choice","answerOption":[{"valueInteger":1},{"valueString":"x"}]},
  {"linkId":"i","type":"integer","required":true},{"linkId":"d","type":"decimal"},
  {"linkId":"q","type":"quantity"},{"linkId":"b","type":"boolean"},{"linkId":"a","type":"date"},
  {"linkId":"t","type":"dateTime"},{"linkId":"h","type":"time"},{"linkId":"s","type":"string"},
  {"linkId":"x","type":"text"},{"linkId":"u","type":"url"},{"linkId":"f","type":"attachment"},
  {"linkId":"r","type":"reference"},
  {"linkId":"g","type":"group","item":[{"linkId":"p","type":"display"}]}]})";

constexpr std::string_view kRules = R"(
format: 1
name: all
version: "1"
scores: {c: {A: 0, B: 1}, b: {"true": 1, "false": 0}}
total: {code: z, items: [c, i, b]}
units: {d: kg, q: Cel}
risk:
  - {item: i, is: "> 3", level: urgent}
  - {item: c, is: "!= 0", level: elevated}
  - {total: "< 0", level: urgent}
)";

const Definition& AllTypes() {
  static const auto definition = [] {
    auto compiled = Definition::Compile(kAllTypes, kRules);
    WEIR_CHECK_MSG(compiled.has_value(), compiled ? "" : compiled.error().message);
    return *compiled;
  }();
  return *definition;
}

bool Same(const Evaluation& a, const Evaluation& b) {
  if (a.items.size() != b.items.size() || a.flags.size() != b.flags.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (a.items[i].original != b.items[i].original || a.items[i].code != b.items[i].code ||
        a.items[i].number != b.items[i].number || a.items[i].text != b.items[i].text ||
        a.items[i].score != b.items[i].score || a.items[i].rules != b.items[i].rules) {
      return false;
    }
  }
  return a.total == b.total && a.unscored_reason == b.unscored_reason && a.reason == b.reason;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy on the heap of just this size: a read past the end is seen.
  const std::string json(reinterpret_cast<const char*>(data), size);
  const Definition& all = AllTypes();
  static const auto catalog = Catalog::Of({Definition::Unpack(all.Pack()).value()});
  const weir::clinical::ReportTimes times{1'700'000'000'000, {}};

  const Evaluation first = Evaluate(&all, json, times);
  const auto look = LookAt(*catalog, "all", json);
  WEIR_CHECK(look.triage.level == first.level);
  WEIR_CHECK(look.triage.reason == first.reason);
  (void)catalog->Infer(weir::clinical::LinkIds(json));
  (void)Evaluate(nullptr, json, times);
  WEIR_CHECK(Same(first, Evaluate(&all, json, times)));
  return 0;
}

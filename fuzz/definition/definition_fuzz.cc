// An instrument's two files: the questionnaire, a line "---rules---", the rules. Whatever compiles
// keeps its hash through Pack() and Unpack(), and evaluates reports.
//
// Run from the project's root: build/fuzz/fuzz/definition/fuzz_definition fuzz/definition/corpus
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "clinical/evaluate.h"

using weir::clinical::Definition;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::string_view kBetween = "\n---rules---\n";
  const std::string both(reinterpret_cast<const char*>(data), size);
  const size_t at = both.find(kBetween);
  const std::string json = both.substr(0, at);
  const std::string yaml = at == std::string::npos ? "" : both.substr(at + kBetween.size());

  const auto definition = Definition::Compile(json, yaml);
  if (!definition) {
    WEIR_CHECK(!definition.error().message.empty());
    return 0;
  }
  const auto again = Definition::Unpack((*definition)->Pack());
  WEIR_CHECK(again.has_value());
  WEIR_CHECK((*again)->hash() == (*definition)->hash());

  // The first answer of every item, so that totals are reached.
  std::string answers = "{\"unknown\":1";
  for (const auto& item : (*definition)->items()) {
    if (item.address.find_first_of("\"\\") != std::string::npos) continue;
    answers += ",\"" + item.address + "\":1";
  }
  answers += "}";
  const auto evaluation = Evaluate(definition->get(), answers, {1'700'000'000'000, {}});
  WEIR_CHECK(TriageReport(**definition, answers).level == evaluation.level);
  if (evaluation.total) (void)Compare(**definition, 0, *evaluation.total);
  return 0;
}

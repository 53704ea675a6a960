// A FHIR R4 Questionnaire, read: its questions in order with their answers and scores.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "clinical/definition.h"

namespace weir::clinical {

inline constexpr size_t kFileBytesMax = 1 << 20;
inline constexpr size_t kItemsMax = 2'000;  // questions, groups and displays together
inline constexpr size_t kOptionsMax = 500;

// A question, with what definition.h does not show of it.
struct Question {
  Item item;
  std::string path;                  // "item[0].item[2]": where it stands, for errors
  std::vector<std::string> systems;  // of item.options, one each; empty: not given
  bool open = false;                 // open-choice: a text of the patient's own is an answer
  bool conditional = false;          // asked only sometimes: enableWhen, or below a question
  uint32_t answers_max = 1;          // 0: any number
};

struct Questionnaire {
  std::string name;
  std::string title;
  std::vector<std::string> codes;  // of the panel, its canonical url, its id: other names of it
  std::vector<Question> questions;
  std::vector<std::string> sections;  // addresses of groups and displays, which take no answer
};

// Errors start with "questionnaire: " and the path of what is wrong. Bounded by the constants above
// and JsonReader::kDepthMax.
base::Result<Questionnaire> ParseQuestionnaire(std::string_view json);

}  // namespace weir::clinical

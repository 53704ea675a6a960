// The rules file beside a questionnaire, read but not yet held against it (compiled.h does that).
// Every key is described in docs/instruments.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "clinical/definition.h"

namespace weir::clinical {

enum class Operator : uint8_t { kLess, kLessOrEqual, kEqual, kNotEqual, kGreaterOrEqual, kGreater };

// ">= 20"
struct Condition {
  Operator op = Operator::kEqual;
  double value = 0;
  bool Holds(double number) const;
};

enum class Subject : uint8_t { kItem, kTotal, kRise };

struct RiskRule {
  Subject subject = Subject::kTotal;
  std::string address;  // kItem only
  Condition condition;
  Level level = Level::kNone;
  std::string reason;  // added to what was found, in brackets
};

struct OptionScore {
  std::string code;
  double score = 0;
};

struct ItemScores {
  std::string address;
  std::vector<OptionScore> scores;
};

struct ItemUnit {
  std::string address;
  std::string unit;
};

// Addresses are without a leading '/'.
struct Rules {
  bool given = false;  // false: there is no rules file
  std::string name;
  std::string version;
  std::vector<std::string> aliases;
  std::string total_code;
  std::optional<std::vector<std::string>> total_items;
  std::vector<ItemScores> scores;
  std::vector<Band> bands;
  std::vector<RiskRule> risk;
  std::vector<std::string> safe_text;
  std::vector<ItemUnit> units;
  double authored_age_max_days = 3652;  // ten years
};

// Empty text: no rules. Errors start with "rules: " and the path of what is wrong.
base::Result<Rules> ParseRules(std::string_view yaml);

std::string_view Address(std::string_view link_id);  // without one leading '/'

}  // namespace weir::clinical

// Cleansing of one answer: what it stands for, and which rules changed or flagged it. Nothing is
// ever rejected. The rules and their names: docs/instruments.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "clinical/answers.h"
#include "clinical/cleansing_rules.h"
#include "clinical/compiled.h"

namespace weir::clinical {

// What scoring and the rules of risk need of an answer.
struct Judged {
  std::optional<double> score;
  // What a rule on this item compares: the score, or else the number that was sent. A number that
  // is none of the item's scores is a mistake, yet the answer to a question on suicide must not
  // pass unseen for it.
  std::optional<double> compared;
};

struct Cleaned : Judged {
  const AnswerOption* option = nullptr;
  std::string_view code;  // where there is no option to name it: kept as given
  std::optional<double> number;
  bool has_text = false;
  std::string text;
  RuleSet rules;
};

Cleaned Clean(const Item& item, const ItemDetail& detail, const Given& given);

// What Clean() comes to, without the record of it: for triage, which runs on the loop.
Judged Judge(const Item& item, const ItemDetail& detail, const Given& given);

}  // namespace weir::clinical

// Cleansing of one answer: what it stands for, and which rules changed or flagged it. Nothing is
// ever rejected. The rules and their names: docs/instruments.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "clinical/answers.h"
#include "clinical/compiled.h"

namespace weir::clinical {

enum class Rule : uint8_t {
  kTrimmed,
  kSpacesReplaced,
  kCodeFromScore,
  kCodeFromText,
  kCodeCase,
  kNumberFromText,
  kDecimalComma,
  kBooleanFromText,
  kBooleanFromNumber,
  kUnitConverted,
  kUnitAssumed,
  kUnitUnknown,
  kUnknownCode,
  kAmbiguousText,
  kSystemDiffers,
  kDisplayDiffers,
  kOutOfRange,
  kNotInteger,
  kWrongType,
  kUnreadable,
  kLineBreak,
  kUriInvalid,
  kTimeImplausible,
  kTotalDiffers,
  kDuplicateItem,
  kTooManyAnswers,
  kNotAnswerable,
  kUnknownItem,
  kUnansweredRequired,
  kUnknownInstrument,
  kFreeText,
  kMalformed,
  kUnsupportedResource,
  kAnswersCut,
};
inline constexpr int kRules = static_cast<int>(Rule::kAnswersCut) + 1;

// "trimmed", "code-from-score", …
std::string_view Name(Rule rule);

class RuleSet {
 public:
  void Add(Rule rule) { bits_ |= uint64_t{1} << static_cast<int>(rule); }
  bool Has(Rule rule) const { return (bits_ >> static_cast<int>(rule) & 1) != 0; }
  bool empty() const { return bits_ == 0; }
  template <class Visit>
  void Each(Visit visit) const {
    for (int i = 0; i < kRules; ++i) {
      if ((bits_ >> i & 1) != 0) visit(static_cast<Rule>(i));
    }
  }

 private:
  static_assert(kRules <= 64);
  uint64_t bits_ = 0;
};

struct Cleaned {
  const AnswerOption* option = nullptr;
  std::string_view code;               // where there is no option to name it: kept as given
  std::optional<double> number;
  std::optional<double> score;
  // What a rule on this item compares: the score, or else the number that was sent. A number that
  // is none of the item's scores is a mistake, yet the answer to a question on suicide must not
  // pass unseen for it.
  std::optional<double> compared;
  bool has_text = false;
  std::string text;
  RuleSet rules;
};

// `for_record` false: only score and compared are wanted (triage); the rest may be left out.
Cleaned Clean(const Item& item, const ItemDetail& detail, const Given& given, bool for_record);

}  // namespace weir::clinical

// The rules of cleansing by name. The names are stable: they are stored with every cleaned value,
// with kCleanseVersion (evaluate.h). What each means: docs/instruments.md.
#pragma once

#include <cstdint>
#include <string_view>

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

}  // namespace weir::clinical

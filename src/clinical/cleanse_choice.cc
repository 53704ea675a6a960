#include "clinical/cleanse_choice.h"

#include "clinical/text.h"

namespace weir::clinical {
namespace {

class ChoiceCleaner {
 public:
  ChoiceCleaner(const Item& item, const ItemDetail& detail, const Given& given, bool for_record,
                Cleaned* out)
      : item_(item), detail_(detail), given_(given), for_record_(for_record), out_(out) {}

  void Run() {
    switch (given_.form) {
      case Form::kCoding:
        return Coding();
      case Form::kNumber:
        return ChoiceNumber();
      case Form::kText:
      case Form::kDate:
      case Form::kDateTime:
      case Form::kTime:
      case Form::kUri:
      case Form::kReference:
        return ChoiceText(given_.text);
      case Form::kBoolean:
        Add(Rule::kWrongType);
        out_->compared = given_.boolean ? 1 : 0;
        return;
      default:
        Add(Rule::kWrongType);
        out_->compared = given_.number;
    }
  }

 private:
  void Add(Rule rule) { out_->rules.Add(rule); }
  void KeepText(std::string_view text) {
    if (!for_record_) return;
    out_->has_text = true;
    out_->text = text;
  }

  // The option with this code; of several under different systems, the one of the system given.
  const AnswerOption* ByCode(std::string_view code, std::string_view system) {
    const AnswerOption* found = nullptr;
    bool same_system = false;
    for (size_t i = 0; i < item_.options.size(); ++i) {
      if (item_.options[i].code != code) continue;
      const std::string& known = detail_.systems[i];
      const bool same = system.empty() || known.empty() || system == known;
      if (found != nullptr && (same_system || !same)) continue;
      found = &item_.options[i];
      same_system = same;
    }
    if (found != nullptr && !same_system) Add(Rule::kSystemDiffers);
    return found;
  }

  void Coding() {
    const std::string_view code = given_.text;
    if (code.empty()) return ChoiceText(given_.display);
    if (item_.options.empty()) {  // a value set kept elsewhere: any code will do
      out_->code = code;
      return;
    }
    out_->option = ByCode(code, given_.system);
    if (out_->option == nullptr && FindCodeLoosely(code)) return;
    if (out_->option == nullptr) {
      Add(Rule::kUnknownCode);
      out_->code = code;
      if (!given_.display.empty() && ByDisplay(given_.display)) Add(Rule::kCodeFromText);
      return;
    }
    if (for_record_ && !given_.display.empty() && !out_->option->display.empty() &&
        given_.display != out_->option->display &&
        Fold(given_.display) != Fold(out_->option->display)) {
      Add(Rule::kDisplayDiffers);
      KeepText(given_.display);
    }
  }

  // The code, but for white space around it or the case of its letters.
  bool FindCodeLoosely(std::string_view text) {
    const std::string_view trimmed = Trim(text);
    if (trimmed.size() != text.size()) {
      out_->option = ByCode(trimmed, given_.system);
      if (out_->option != nullptr) {
        Add(Rule::kTrimmed);
        return true;
      }
    }
    const AnswerOption* only = nullptr;
    for (const AnswerOption& option : item_.options) {
      if (!EqualsIgnoringCase(option.code, trimmed)) continue;
      if (only != nullptr) return false;
      only = &option;
    }
    if (only == nullptr) return false;
    out_->option = only;
    Add(Rule::kCodeCase);
    if (trimmed.size() != text.size()) Add(Rule::kTrimmed);
    return true;
  }

  bool ByDisplay(std::string_view text) {
    const std::string folded = Fold(text);
    if (folded.empty()) return false;
    const AnswerOption* only = nullptr;
    for (size_t i = 0; i < item_.options.size(); ++i) {
      if (detail_.folded[i] != folded) continue;
      if (only != nullptr) {
        Add(Rule::kAmbiguousText);
        return false;
      }
      only = &item_.options[i];
    }
    out_->option = only;
    return only != nullptr;
  }

  void ChoiceText(std::string_view text) {
    if (!item_.options.empty()) {
      out_->option = ByCode(text, given_.system);
      if (out_->option != nullptr || FindCodeLoosely(text)) return;
      const bool trimmed = Trim(text).size() != text.size();
      if (ByDisplay(text)) {
        Add(Rule::kCodeFromText);
        if (trimmed) Add(Rule::kTrimmed);
        KeepText(Trim(text));
        return;
      }
      const auto number = ReadNumber(text);
      if (number && number->rest.empty() && HasScores()) {
        Add(Rule::kNumberFromText);
        if (number->decimal_comma) Add(Rule::kDecimalComma);
        return ByScore(number->value);
      }
      if (!detail_.open && !out_->rules.Has(Rule::kAmbiguousText)) Add(Rule::kUnknownCode);
    }
    if (for_record_) KeepPlainText(text, out_);
  }

  bool HasScores() const {
    for (const AnswerOption& option : item_.options) {
      if (option.score) return true;
    }
    return false;
  }

  void ChoiceNumber() {
    if (!given_.number) return Add(Rule::kUnreadable);
    if (item_.options.empty() || HasScores()) return ByScore(*given_.number);
    // Without scores a number can only be a code.
    out_->number = given_.number;
    out_->option = ByCode(given_.raw, {});
    if (out_->option == nullptr) Add(Rule::kUnknownCode);
  }

  void ByScore(double number) {
    out_->number = number;
    out_->compared = number;
    if (item_.options.empty()) return;
    const AnswerOption* found = nullptr;
    bool several = false;
    for (const AnswerOption& option : item_.options) {
      if (!option.score || *option.score != number) continue;
      several = found != nullptr;
      if (several) break;
      found = &option;
    }
    if (found == nullptr) return Add(Rule::kOutOfRange);
    if (several) {  // which answer it was cannot be told, but its score can
      out_->score = number;
      return;
    }
    out_->option = found;
    Add(Rule::kCodeFromScore);
  }

  const Item& item_;
  const ItemDetail& detail_;
  const Given& given_;
  const bool for_record_;
  Cleaned* const out_;
};

}  // namespace

void CleanChoice(const Item& item, const ItemDetail& detail, const Given& given, bool for_record,
                 Cleaned* out) {
  ChoiceCleaner(item, detail, given, for_record, out).Run();
}

void KeepPlainText(std::string_view text, Cleaned* out) {
  const std::string_view trimmed = Trim(text);
  if (trimmed.size() != text.size()) out->rules.Add(Rule::kTrimmed);
  out->has_text = true;
  if (HasOddSpaces(trimmed)) {
    out->rules.Add(Rule::kSpacesReplaced);
    out->text = PlainSpaces(trimmed);
  } else {
    out->text = trimmed;
  }
}

}  // namespace weir::clinical

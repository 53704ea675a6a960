#include "clinical/cleanse.h"

#include <cmath>

#include "clinical/cleanse_choice.h"
#include "clinical/text.h"
#include "clinical/units.h"

namespace weir::clinical {
namespace {

class Cleaner {
 public:
  Cleaner(const Item& item, const ItemDetail& detail, const Given& given, bool for_record)
      : item_(item), detail_(detail), given_(given), for_record_(for_record) {}

  Cleaned Run() {
    switch (item_.type) {
      case ItemType::kChoice:
        CleanChoice(item_, detail_, given_, for_record_, &out_);
        break;
      case ItemType::kBoolean:
        Boolean();
        break;
      case ItemType::kInteger:
      case ItemType::kDecimal:
      case ItemType::kQuantity:
        Number();
        break;
      case ItemType::kDate:
      case ItemType::kDateTime:
      case ItemType::kTime:
        Time();
        break;
      case ItemType::kString:
      case ItemType::kText:
        FreeText();
        break;
      case ItemType::kUrl:
        Url();
        break;
      case ItemType::kAttachment:
        Expect(given_.form == Form::kAttachment);
        break;
      case ItemType::kReference:
        Reference();
        break;
      case ItemType::kGroup:
      case ItemType::kDisplay:
        break;  // never in items()
    }
    if (item_.type != ItemType::kChoice && item_.type != ItemType::kBoolean) AmongOptions();
    if (out_.option != nullptr) out_.score = out_.option->score;
    if (out_.score) out_.compared = out_.score;
    return std::move(out_);
  }

 private:
  void Add(Rule rule) { out_.rules.Add(rule); }
  void Expect(bool expected) {
    if (!expected) Add(Rule::kWrongType);
  }
  void KeepText(std::string_view text) {
    if (!for_record_) return;
    out_.has_text = true;
    out_.text = text;
  }

  void Boolean() {
    std::optional<bool> value;
    if (given_.form == Form::kBoolean) {
      value = given_.boolean;
    } else if (given_.form == Form::kNumber && given_.number &&
               (*given_.number == 0 || *given_.number == 1)) {
      value = *given_.number == 1;
      Add(Rule::kBooleanFromNumber);
    } else if (given_.form == Form::kText) {
      const std::string word = Fold(given_.text);
      if (word == "true" || word == "yes") value = true;
      if (word == "false" || word == "no") value = false;
      if (value) Add(Rule::kBooleanFromText);
    }
    if (!value) {
      Add(Rule::kWrongType);
      out_.compared = given_.number;
      if (given_.form == Form::kText) PlainText(given_.text);
      return;
    }
    out_.number = *value ? 1 : 0;
    out_.compared = out_.number;
    out_.code = *value ? "true" : "false";
    for (const AnswerOption& option : item_.options) {
      if (option.code == out_.code) out_.option = &option;
    }
  }

  void Number() {
    switch (given_.form) {
      case Form::kNumber:
        if (!given_.number) return Add(Rule::kUnreadable);
        if (item_.type == ItemType::kQuantity && !item_.unit.empty()) Add(Rule::kUnitAssumed);
        return TakeNumber(*given_.number);
      case Form::kText:
        return NumberText();
      case Form::kQuantity: {
        Expect(item_.type == ItemType::kQuantity);
        if (!given_.number) return Add(Rule::kUnreadable);
        const std::string_view unit = given_.text.empty() ? given_.unit : given_.text;
        if (!unit.empty()) return WithUnit(*given_.number, unit);
        if (!item_.unit.empty()) Add(Rule::kUnitAssumed);
        return TakeNumber(*given_.number);
      }
      case Form::kBoolean:
        Add(Rule::kWrongType);
        out_.compared = given_.boolean ? 1 : 0;
        return;
      default:
        Add(Rule::kWrongType);
    }
  }

  void NumberText() {
    const auto number = ReadNumber(given_.text);
    if (!number || (item_.unit.empty() && !number->rest.empty())) {
      Add(Rule::kUnreadable);
      return PlainText(given_.text);
    }
    Add(Rule::kNumberFromText);
    if (number->decimal_comma) Add(Rule::kDecimalComma);
    if (number->rest.empty()) return TakeNumber(number->value);
    WithUnit(number->value, number->rest);
  }

  void WithUnit(double value, std::string_view unit) {
    if (item_.unit.empty() && given_.form == Form::kQuantity) {
      KeepText(unit);
      return TakeNumber(value);
    }
    const std::optional<double> converted = Convert(value, unit, item_.unit);
    if (!converted) {
      Add(Rule::kUnitUnknown);
      return KeepText(given_.form == Form::kText ? Trim(given_.text) : unit);
    }
    if (UnitCode(unit) != UnitCode(item_.unit)) Add(Rule::kUnitConverted);
    TakeNumber(*converted);
  }

  void TakeNumber(double number) {
    out_.number = number;
    out_.compared = number;
    bool good = true;
    if (item_.type == ItemType::kInteger && std::floor(number) != number) {
      Add(Rule::kNotInteger);
      good = false;
    }
    if ((item_.minimum && number < *item_.minimum) || (item_.maximum && number > *item_.maximum)) {
      Add(Rule::kOutOfRange);
      good = false;
    }
    if (good && detail_.by_number) out_.score = number;
  }

  void Time() {
    const std::string_view text = Trim(given_.text);
    switch (given_.form) {
      case Form::kText:
        break;
      case Form::kDate:
        Expect(item_.type != ItemType::kTime);
        break;
      case Form::kDateTime:
        Expect(item_.type == ItemType::kDateTime);
        break;
      case Form::kTime:
        Expect(item_.type == ItemType::kTime);
        break;
      default:
        return Add(Rule::kWrongType);
    }
    if (text.size() != given_.text.size()) Add(Rule::kTrimmed);
    const bool good = item_.type == ItemType::kTime ? IsTimeOfDay(text) : IsDateTime(text);
    if (!good) Add(Rule::kUnreadable);
    if (good && item_.type == ItemType::kDate && !IsDate(text)) Add(Rule::kWrongType);
    // No patient of ours was asked about a day before 1900.
    if (good && item_.type != ItemType::kTime && text < "1900") Add(Rule::kTimeImplausible);
    KeepText(text);
  }

  void PlainText(std::string_view text) {
    if (for_record_) KeepPlainText(text, &out_);
  }

  void FreeText() {
    switch (given_.form) {
      case Form::kText:
        break;
      case Form::kNumber:
        Add(Rule::kWrongType);
        return KeepText(given_.raw);
      case Form::kCoding:
        Add(Rule::kWrongType);
        return PlainText(given_.display.empty() ? given_.text : given_.display);
      default:
        Add(Rule::kWrongType);
        return PlainText(given_.text);
    }
    PlainText(given_.text);
    if (item_.type == ItemType::kString && for_record_ &&
        out_.text.find_first_of("\r\n") != std::string::npos) {
      Add(Rule::kLineBreak);
    }
  }

  void Url() {
    if (given_.form != Form::kUri && given_.form != Form::kText) return Add(Rule::kWrongType);
    PlainText(given_.text);
    if (!IsUri(Trim(given_.text))) Add(Rule::kUriInvalid);
  }

  void Reference() {
    if (given_.form != Form::kReference) return Add(Rule::kWrongType);
    PlainText(given_.text);
    if (!IsUri(Trim(given_.text))) Add(Rule::kUriInvalid);
  }

  // RFC 3986 has no white space, controls, backslashes or quotes; RFC 4122 has 36 characters.
  static bool IsUri(std::string_view text) {
    for (const char c : text) {
      if (static_cast<unsigned char>(c) <= 0x20 || c == '\\' || c == '"' || c == '<' || c == '>') {
        return false;
      }
    }
    constexpr std::string_view kUuid = "urn:uuid:";
    return !text.empty() && (!text.starts_with(kUuid) || text.size() == kUuid.size() + 36);
  }

  // An item of another type may list its answers too.
  void AmongOptions() {
    if (item_.options.empty() || out_.rules.Has(Rule::kWrongType)) return;
    for (const AnswerOption& option : item_.options) {
      const bool same =
          out_.number ? ToDouble(option.code) == out_.number : option.code == Trim(given_.text);
      if (!same) continue;
      out_.option = &option;
      return;
    }
    Add(Rule::kUnknownCode);
  }

  const Item& item_;
  const ItemDetail& detail_;
  const Given& given_;
  const bool for_record_;
  Cleaned out_;
};

// Nearly every answer is the code of one of the item's options, exactly as it is written there.
const AnswerOption* ExactOption(const Item& item, const ItemDetail& detail, const Given& given) {
  if (item.type != ItemType::kChoice || given.form != Form::kText || !given.system.empty()) {
    return nullptr;
  }
  const ShortCode code(given.text);
  for (size_t i = 0; i < detail.codes.size(); ++i) {
    if (detail.codes[i] == code && (code.whole() || item.options[i].code == given.text)) {
      return &item.options[i];
    }
  }
  return nullptr;
}

}  // namespace

Cleaned Clean(const Item& item, const ItemDetail& detail, const Given& given) {
  return Cleaner(item, detail, given, true).Run();
}

Judged Judge(const Item& item, const ItemDetail& detail, const Given& given) {
  if (const AnswerOption* option = ExactOption(item, detail, given)) {
    return {option->score, option->score};
  }
  return Cleaner(item, detail, given, false).Run();
}

}  // namespace weir::clinical

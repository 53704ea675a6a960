#include "clinical/compiled.h"

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "clinical/text.h"

namespace weir::clinical {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;

constexpr std::string_view kPackMagic = "WIQ1";

tl::unexpected<base::Error> Wrong(const std::string& path, const std::string& what) {
  return Fail(ErrorCode::kInvalidArgument, "rules: " + path + ": " + what);
}

std::string At(std::string_view list, size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

bool IsNumeric(ItemType type) {
  return type == ItemType::kInteger || type == ItemType::kDecimal || type == ItemType::kQuantity;
}

bool IsWhole(double number) { return std::floor(number) == number; }

// The totals that are possible.
struct Range {
  double low = 0, high = 0;
  bool bounded = true;
  bool whole = true;  // only whole numbers
};

void Widen(const Item& item, const ItemDetail& detail, Range* range) {
  if (detail.by_number) {
    range->bounded = range->bounded && item.minimum && item.maximum && !item.repeats;
    range->whole = range->whole && item.type == ItemType::kInteger;
    range->low += item.minimum.value_or(0);
    range->high += item.maximum.value_or(0);
    return;
  }
  double least = *item.options[0].score, most = least, below = 0, above = 0;
  for (const AnswerOption& option : item.options) {
    const double score = *option.score;
    least = std::min(least, score);
    most = std::max(most, score);
    (score < 0 ? below : above) += score;
    range->whole = range->whole && IsWhole(score);
  }
  // Several answers add up.
  range->low += item.repeats ? std::min(least, below) : least;
  range->high += item.repeats ? std::max(most, above) : most;
}

bool CanHold(const Condition& condition, const Range& range) {
  switch (condition.op) {
    case Operator::kGreater:
    case Operator::kGreaterOrEqual:
      return condition.Holds(range.high);
    case Operator::kLess:
    case Operator::kLessOrEqual:
      return condition.Holds(range.low);
    case Operator::kEqual:
      return condition.value >= range.low && condition.value <= range.high;
    case Operator::kNotEqual:
      return range.low != range.high || condition.Holds(range.low);
  }
  return true;
}

}  // namespace

class Builder {
 public:
  Builder(Questionnaire questionnaire, Rules rules, CompiledDefinition& out)
      : questionnaire_(std::move(questionnaire)), rules_(std::move(rules)), out_(out) {}

  Status Build() {
    TakeItems();
    WEIR_RETURN_IF_ERROR(ApplyScores());
    WEIR_RETURN_IF_ERROR(ChooseCounted());
    WEIR_RETURN_IF_ERROR(ApplyUnitsAndTexts());
    WEIR_RETURN_IF_ERROR(CheckBands());
    WEIR_RETURN_IF_ERROR(TakeRisk());
    for (size_t i = 0; i < out_.items_.size(); ++i) {
      for (const AnswerOption& option : out_.items_[i].options) {
        out_.details_[i].folded.push_back(Fold(option.display));
        out_.details_[i].codes.emplace_back(option.code);
      }
    }
    out_.bands_ = rules_.bands;
    out_.authored_age_max_days_ = rules_.authored_age_max_days;
    return {};
  }

 private:
  void TakeItems() {
    std::vector<std::pair<std::string, int32_t>> addresses;
    for (Question& question : questionnaire_.questions) {
      addresses.emplace_back(question.item.address, static_cast<int32_t>(out_.items_.size()));
      paths_.push_back(question.path);
      ItemDetail& detail = out_.details_.emplace_back();
      detail.systems = std::move(question.systems);
      detail.open = question.open;
      detail.conditional = question.conditional;
      detail.answers_max = question.answers_max;
      out_.items_.push_back(std::move(question.item));
    }
    for (const std::string& section : questionnaire_.sections) {
      addresses.emplace_back(section, CompiledDefinition::kSection);
    }
    if (!rules_.total_code.empty()) {
      addresses.emplace_back(rules_.total_code, CompiledDefinition::kTotalOnly);
    }
    out_.addresses_ = AddressTable(addresses);
    out_.sections_ = std::move(questionnaire_.sections);
    out_.name_ = rules_.given ? rules_.name : questionnaire_.name;
    out_.title_ = questionnaire_.title;
    out_.rules_version_ = rules_.version;
    out_.total_code_ = rules_.total_code;
    out_.total_item_ = std::max(out_.addresses_[rules_.total_code], -1);
    out_.other_names_ = std::move(questionnaire_.codes);
    out_.other_names_.insert(out_.other_names_.end(), rules_.aliases.begin(), rules_.aliases.end());
  }

  Result<int32_t> FindItem(const std::string& address, const std::string& path) const {
    const int32_t index = out_.addresses_[address];
    if (index >= 0) return index;
    return Wrong(path, "no item '" + address + "' in the questionnaire");
  }

  Status ApplyScores() {
    for (const ItemScores& scores : rules_.scores) {
      const std::string path = "scores." + scores.address;
      WEIR_ASSIGN_OR_RETURN(const int32_t index, FindItem(scores.address, path));
      Item& item = out_.items_[static_cast<size_t>(index)];
      ItemDetail& detail = out_.details_[static_cast<size_t>(index)];
      const bool boolean = item.type == ItemType::kBoolean;
      // The answers of a boolean, or of a value set kept elsewhere, are those that have scores.
      const bool adds = item.options.empty();
      if (adds && !boolean && item.type != ItemType::kChoice) {
        return Wrong(path, "an item of this type has no answers to give scores to");
      }
      for (const OptionScore& score : scores.scores) {
        bool found = false;  // the same code may stand there under several systems
        for (AnswerOption& option : item.options) {
          if (option.code != score.code) continue;
          option.score = score.score;
          found = true;
        }
        if (found) continue;
        if (adds && (!boolean || score.code == "true" || score.code == "false")) {
          item.options.push_back({score.code, {}, score.score});
          detail.systems.emplace_back();
        } else {
          return Wrong(path + "." + score.code, "item '" + item.address + "' has no such answer");
        }
      }
      if (item.options.size() > kOptionsMax) return Wrong(path, "an item has at most 500 answers");
    }
    return {};
  }

  Status ChooseCounted() {
    std::vector<int32_t> counted;
    if (rules_.total_items) {
      for (size_t i = 0; i < rules_.total_items->size(); ++i) {
        const std::string& address = (*rules_.total_items)[i];
        WEIR_ASSIGN_OR_RETURN(const int32_t index, FindItem(address, At("total.items", i)));
        counted.push_back(index);
      }
      std::sort(counted.begin(), counted.end());
    } else {
      for (size_t i = 0; i < out_.items_.size(); ++i) {
        const std::vector<AnswerOption>& options = out_.items_[i].options;
        const bool any = std::any_of(options.begin(), options.end(),
                                     [](const AnswerOption& o) { return o.score.has_value(); });
        if (any && static_cast<int32_t>(i) != out_.total_item_) {
          counted.push_back(static_cast<int32_t>(i));
        }
      }
    }
    for (const int32_t index : counted) WEIR_RETURN_IF_ERROR(Count(static_cast<size_t>(index)));
    out_.counted_ = std::move(counted);
    return {};
  }

  Status Count(size_t index) {
    Item& item = out_.items_[index];
    ItemDetail& detail = out_.details_[index];
    if (static_cast<int32_t>(index) == out_.total_item_) {
      return Wrong("total.items", "item '" + item.address + "' is the total itself");
    }
    if (item.options.empty()) {
      if (!IsNumeric(item.type)) {
        return Wrong("total.items", "item '" + item.address +
                                        "' counts, but has neither scores nor a number to count");
      }
      detail.by_number = true;
    }
    for (const AnswerOption& option : item.options) {
      if (!option.score) {
        return Fail(ErrorCode::kInvalidArgument,
                    "questionnaire: " + paths_[index] + ": item '" + item.address +
                        "' counts towards the total, but its answer '" + option.code +
                        "' has no score (ordinalValue or itemWeight, or scores in the rules)");
      }
    }
    item.scored = true;
    detail.watched = true;
    Widen(item, detail, &range_);
    return {};
  }

  Status ApplyUnitsAndTexts() {
    for (const ItemUnit& unit : rules_.units) {
      const std::string path = "units." + unit.address;
      WEIR_ASSIGN_OR_RETURN(const int32_t index, FindItem(unit.address, path));
      Item& item = out_.items_[static_cast<size_t>(index)];
      if (!IsNumeric(item.type)) return Wrong(path, "this item takes no number");
      item.unit = unit.unit;
    }
    for (size_t i = 0; i < rules_.safe_text.size(); ++i) {
      WEIR_ASSIGN_OR_RETURN(const int32_t index, FindItem(rules_.safe_text[i], At("safe_text", i)));
      Item& item = out_.items_[static_cast<size_t>(index)];
      if (item.type != ItemType::kString && item.type != ItemType::kText &&
          !out_.details_[static_cast<size_t>(index)].open) {
        return Wrong(At("safe_text", i), "item '" + item.address + "' takes no free text");
      }
      item.safe_text = true;
    }
    return {};
  }

  Status CheckBands() const {
    const std::vector<Band>& bands = rules_.bands;
    if (bands.empty()) return {};
    if (out_.counted_.empty()) return Wrong("bands", "no item counts towards a total");
    for (size_t i = 0; i < bands.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (bands[j].name == bands[i].name) {
          return Wrong(At("bands", i) + ".name", "'" + bands[i].name + "' is there twice");
        }
      }
      if (range_.whole && !(IsWhole(bands[i].low) && IsWhole(bands[i].high))) {
        return Wrong(At("bands", i), "totals are whole numbers, so from and to must be");
      }
      if (i == 0) continue;
      const double expected = bands[i - 1].high + (range_.whole ? 1 : 0);
      if (bands[i].low == expected) continue;
      return Wrong(At("bands", i) + ".from",
                   (bands[i].low < expected ? "overlaps the band before it: must be "
                                            : "leaves a gap to the band before it: must be ") +
                       FormatNumber(expected));
    }
    if (!range_.bounded) return {};
    if (bands.front().low != range_.low) {
      return Wrong("bands[0].from", "the lowest total is " + FormatNumber(range_.low));
    }
    if (bands.back().high != range_.high) {
      return Wrong(At("bands", bands.size() - 1) + ".to",
                   "the highest total is " + FormatNumber(range_.high));
    }
    return {};
  }

  Status TakeRisk() {
    for (size_t i = 0; i < rules_.risk.size(); ++i) {
      RiskRule& rule = rules_.risk[i];
      const std::string path = At("risk", i);
      Watch watch{rule.subject, -1, rule.condition, rule.level, std::move(rule.reason)};
      if (rule.subject == Subject::kItem) {
        WEIR_ASSIGN_OR_RETURN(watch.item, FindItem(rule.address, path + ".item"));
        WEIR_RETURN_IF_ERROR(CheckItemRule(watch, path));
        out_.details_[static_cast<size_t>(watch.item)].watched = true;
      } else {
        const std::string key = rule.subject == Subject::kTotal ? ".total" : ".rise";
        if (out_.counted_.empty()) return Wrong(path + key, "no item counts towards a total");
        if (rule.subject == Subject::kTotal && range_.bounded && !CanHold(rule.condition, range_)) {
          return Wrong(path + key, "never holds: totals are from " + FormatNumber(range_.low) +
                                       " to " + FormatNumber(range_.high));
        }
        out_.compares_ = out_.compares_ || rule.subject == Subject::kRise;
      }
      out_.watches_.push_back(std::move(watch));
    }
    return {};
  }

  Status CheckItemRule(const Watch& watch, const std::string& path) const {
    const Item& item = out_.items_[static_cast<size_t>(watch.item)];
    const bool scores = std::any_of(item.options.begin(), item.options.end(),
                                    [](const AnswerOption& o) { return o.score.has_value(); });
    if (scores ||
        (item.options.empty() && (IsNumeric(item.type) || item.type == ItemType::kBoolean))) {
      return {};
    }
    return Wrong(path + ".item", "item '" + item.address + "' has no scores to compare");
  }

  Questionnaire questionnaire_;
  Rules rules_;
  CompiledDefinition& out_;
  std::vector<std::string> paths_;
  Range range_;
};

Result<std::shared_ptr<const CompiledDefinition>> CompiledDefinition::Build(
    std::string_view questionnaire_json, std::string_view rules_yaml) {
  if (questionnaire_json.size() > kFileBytesMax) {
    return Fail(ErrorCode::kTooLarge, "questionnaire: is larger than 1 MiB");
  }
  if (rules_yaml.size() > kFileBytesMax) {
    return Fail(ErrorCode::kTooLarge, "rules: are larger than 1 MiB");
  }
  WEIR_ASSIGN_OR_RETURN(Questionnaire questionnaire, ParseQuestionnaire(questionnaire_json));
  WEIR_ASSIGN_OR_RETURN(Rules rules, ParseRules(rules_yaml));
  const std::shared_ptr<CompiledDefinition> definition(new CompiledDefinition);
  WEIR_RETURN_IF_ERROR(Builder(std::move(questionnaire), std::move(rules), *definition).Build());
  std::string& packed = definition->packed_;
  packed = kPackMagic;
  base::AppendInt(packed, static_cast<uint32_t>(questionnaire_json.size()));
  packed += questionnaire_json;
  base::AppendInt(packed, static_cast<uint32_t>(rules_yaml.size()));
  packed += rules_yaml;
  definition->hash_ = base::Sha256(packed);
  return definition;
}

std::vector<std::string> CompiledDefinition::KnownAddresses() const {
  std::vector<std::string> all = sections_;
  for (const Item& item : items_) all.push_back(item.address);
  if (!total_code_.empty() && total_item_ < 0) all.push_back(total_code_);
  return all;
}

Result<std::shared_ptr<const Definition>> Definition::Compile(std::string_view questionnaire_json,
                                                              std::string_view rules_yaml) {
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const Definition> definition,
                        CompiledDefinition::Build(questionnaire_json, rules_yaml));
  return definition;
}

Result<std::shared_ptr<const Definition>> Definition::Unpack(std::string_view packed) {
  base::ByteReader reader(packed);
  const bool known = reader.Bytes(kPackMagic.size()) == kPackMagic;
  const std::string_view questionnaire = reader.Bytes(reader.Int<uint32_t>());
  const std::string_view rules = reader.Bytes(reader.Int<uint32_t>());
  if (!known || !reader.ok() || !reader.rest().empty()) {
    return Fail(ErrorCode::kCorruption, "a stored definition does not have the form of one");
  }
  return Compile(questionnaire, rules);
}

std::string_view Name(Level level) {
  switch (level) {
    case Level::kNone:
      return "none";
    case Level::kElevated:
      return "elevated";
    case Level::kUrgent:
      return "urgent";
  }
  return "none";
}

}  // namespace weir::clinical

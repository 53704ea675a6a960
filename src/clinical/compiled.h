// A definition as the evaluation works with it: the questionnaire and its rules held against each
// other and found consistent, with everything that is looked up per report prepared.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clinical/address_table.h"
#include "clinical/definition.h"
#include "clinical/questionnaire.h"
#include "clinical/rules.h"

namespace weir::clinical {

// A text's length and first eight bytes: enough to tell most codes apart with one comparison.
class ShortCode {
 public:
  explicit ShortCode(std::string_view text) : size_(text.size()) {
    std::memcpy(&word_, text.data(), std::min(text.size(), sizeof word_));
  }
  bool whole() const { return size_ <= sizeof word_; }  // equal ones stand for equal texts
  bool operator==(const ShortCode&) const = default;

 private:
  size_t size_;
  uint64_t word_ = 0;
};

// What is known of an item beyond its Item.
struct ItemDetail {
  std::vector<ShortCode> codes;      // of the options
  std::vector<std::string> systems;  // of the options; "" where none was given
  std::vector<std::string> folded;   // displays of the options, as Fold() gives them
  bool open = false;
  bool conditional = false;
  uint32_t answers_max = 1;  // 0: any number
  bool by_number = false;    // the score is the number answered, not that of an option
  bool watched = false;      // counts, or a rule looks at it: triage must read it
};

// A rule of RiskRule with its item found.
struct Watch {
  Subject subject = Subject::kTotal;
  int32_t item = -1;  // kItem only
  Condition condition;
  Level level = Level::kNone;
  std::string reason;
};

class CompiledDefinition final : public Definition {
 public:
  // Numbers of addresses that are no questions.
  static constexpr int32_t kSection = -2;
  static constexpr int32_t kTotalOnly = -3;  // the total's code, where it is no item

  static base::Result<std::shared_ptr<const CompiledDefinition>> Build(
      std::string_view questionnaire_json, std::string_view rules_yaml);

  // Every Definition is one: no other class can derive from it.
  static const CompiledDefinition& Of(const Definition& definition) {
    return static_cast<const CompiledDefinition&>(definition);
  }

  const std::string& name() const override { return name_; }
  const std::string& title() const override { return title_; }
  const base::Digest& hash() const override { return hash_; }
  const std::string& rules_version() const override { return rules_version_; }
  const std::string& total_code() const override { return total_code_; }
  const std::vector<Item>& items() const override { return items_; }
  const std::vector<Band>& bands() const override { return bands_; }
  bool compares() const override { return compares_; }
  std::string Pack() const override { return packed_; }

  // Index in items(), kSection, kTotalOnly, or AddressTable::kNone.
  int32_t Find(std::string_view address) const { return addresses_[address]; }
  const std::vector<ItemDetail>& details() const { return details_; }
  const std::vector<int32_t>& counted() const { return counted_; }  // items in the total, in order
  const std::vector<Watch>& watches() const { return watches_; }
  int32_t total_item() const { return total_item_; }  // the item with the total's code, or -1
  double authored_age_max_days() const { return authored_age_max_days_; }
  // Other names of the instrument: codes, canonical url, aliases.
  const std::vector<std::string>& other_names() const { return other_names_; }
  // Every address it knows, sections included.
  std::vector<std::string> KnownAddresses() const;

 private:
  friend class Builder;
  CompiledDefinition() = default;

  std::string packed_;
  base::Digest hash_;
  std::string name_, title_, rules_version_, total_code_;
  std::vector<Item> items_;
  std::vector<ItemDetail> details_;
  std::vector<std::string> sections_;
  std::vector<Band> bands_;
  std::vector<Watch> watches_;
  std::vector<int32_t> counted_;
  std::vector<std::string> other_names_;
  AddressTable addresses_;
  int32_t total_item_ = -1;
  bool compares_ = false;
  double authored_age_max_days_ = 0;
};

}  // namespace weir::clinical

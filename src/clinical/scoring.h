// From cleaned answers to a total, a band and a level of risk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "clinical/cleanse.h"
#include "clinical/compiled.h"
#include "clinical/evaluate.h"

namespace weir::clinical {

// What the answers to one item come to. Fed answer by answer, in the order in which they were sent;
// the outcome does not depend on the order of the items.
class ItemScore {
 public:
  // `entry`: the link id, as often as it was sent, that this answer stands under.
  void Add(uint32_t entry, const Item& item, std::optional<double> answer);

  bool answered() const { return entries_ > 0; }
  // The link id was sent more than once with an answer.
  bool duplicate() const { return entries_ > 1; }
  // Several answers that do not agree where one was asked for.
  bool conflicting() const { return conflicting_ || (entries_ > 1 && current_ != first_); }
  std::optional<double> score() const {
    return current_.known && !conflicting() ? std::optional(current_.number) : std::nullopt;
  }

 private:
  // Smaller than an optional, and quicker to copy: triage makes one of these for every item.
  struct Score {
    double number = 0;
    bool known = false;
    bool operator==(const Score&) const = default;
  };
  static Score Of(std::optional<double> score) { return {score.value_or(0), score.has_value()}; }

  Score current_;  // of the entry whose answers are being added up
  Score first_;    // of the first entry
  uint32_t entries_ = 0;
  uint32_t entry_ = 0;
  bool conflicting_ = false;
};

// Collects what the rules need and draws the conclusion: one for triage and evaluation alike, so
// that they never differ.
class Scoring {
 public:
  explicit Scoring(const CompiledDefinition& definition);

  void Add(int32_t item, uint32_t entry, const Judged& judged);

  const ItemScore& item(size_t index) const { return items_[index]; }
  std::optional<double> Total() const;
  // Why there is no total; empty if there is one.
  std::string UnscoredReason() const;
  Triage Risk(std::optional<double> total) const;

 private:
  struct Storage;
  static Storage& ThreadStorage();
  Scoring(const CompiledDefinition& definition, Storage& storage);

  const CompiledDefinition& definition_;
  std::vector<ItemScore>& items_;
  // For each rule on an item the largest number that fulfils it.
  std::vector<std::optional<double>>& found_;
};

std::string_view BandOf(const Definition& definition, double total);

// "total 44261-6", or "total" for an instrument whose total has no code.
std::string TotalName(const Definition& definition);

}  // namespace weir::clinical

#include "clinical/scoring.h"

#include <algorithm>

#include "clinical/text.h"

namespace weir::clinical {
namespace {

// Adds what a further rule found, at the highest level met so far.
void Raise(Level level, const std::string& found, Triage* triage) {
  if (level < triage->level) return;
  if (level > triage->level) {
    triage->level = level;
    triage->reason.clear();
  }
  if (triage->reason.find(found) != std::string::npos) return;
  if (!triage->reason.empty()) triage->reason += "; ";
  triage->reason += found;
}

std::string WithReason(std::string found, const Watch& watch) {
  if (!watch.reason.empty()) found += " (" + watch.reason + ")";
  return found;
}

}  // namespace

// Kept by the thread, so that triage allocates nothing; at most kItemsMax long.
struct Scoring::Storage {
  std::vector<ItemScore> items;
  std::vector<std::optional<double>> found;
};

Scoring::Storage& Scoring::ThreadStorage() {
  thread_local Storage storage;
  return storage;
}

void ItemScore::Add(uint32_t entry, const Item& item, std::optional<double> answer) {
  const Score score = Of(answer);
  if (entries_ == 0 || entry != entry_) {
    if (entries_ == 1) first_ = current_;
    if (entries_ > 1) conflicting_ = conflicting_ || current_ != first_;
    ++entries_;
    entry_ = entry;
    current_ = score;
    return;
  }
  if (item.repeats) {  // the answers chosen add up
    current_ =
        current_.known && score.known ? Score{current_.number + score.number, true} : Score{};
  } else {
    conflicting_ = conflicting_ || current_ != score;
  }
}

Scoring::Scoring(const CompiledDefinition& definition) : Scoring(definition, ThreadStorage()) {}

Scoring::Scoring(const CompiledDefinition& definition, Storage& storage)
    : definition_(definition), items_(storage.items), found_(storage.found) {
  items_.assign(definition.items().size(), {});
  found_.assign(definition.watches().size(), {});
}

void Scoring::Add(int32_t index, uint32_t entry, const Judged& judged) {
  const auto at = static_cast<size_t>(index);
  items_[at].Add(entry, definition_.items()[at], judged.score);
  if (!judged.compared) return;
  const std::vector<Watch>& watches = definition_.watches();
  for (size_t i = 0; i < watches.size(); ++i) {
    if (watches[i].item != index || !watches[i].condition.Holds(*judged.compared)) continue;
    found_[i] = std::max(found_[i].value_or(*judged.compared), *judged.compared);
  }
}

std::optional<double> Scoring::Total() const {
  if (definition_.counted().empty()) return std::nullopt;
  double total = 0;
  for (const int32_t index : definition_.counted()) {
    const std::optional<double> score = items_[static_cast<size_t>(index)].score();
    if (!score) return std::nullopt;
    total += *score;
  }
  return total;
}

std::string Scoring::UnscoredReason() const {
  if (definition_.counted().empty()) return "no item of the instrument has scores";
  for (const int32_t index : definition_.counted()) {
    const ItemScore& item = items_[static_cast<size_t>(index)];
    if (item.score()) continue;
    const std::string name = "item " + definition_.items()[static_cast<size_t>(index)].address;
    if (!item.answered()) return name + " is not answered";
    if (item.conflicting()) return name + " has answers that differ";
    return name + " has an answer without a score";
  }
  return {};
}

Triage Scoring::Risk(std::optional<double> total) const {
  Triage triage;
  const std::vector<Watch>& watches = definition_.watches();
  for (size_t i = 0; i < watches.size(); ++i) {
    const Watch& watch = watches[i];
    if (watch.level < triage.level) continue;
    if (watch.subject == Subject::kItem && found_[i]) {
      const std::string& address = definition_.items()[static_cast<size_t>(watch.item)].address;
      Raise(watch.level, WithReason("item " + address + " is " + FormatNumber(*found_[i]), watch),
            &triage);
    } else if (watch.subject == Subject::kTotal && total && watch.condition.Holds(*total)) {
      Raise(watch.level, WithReason(TotalName(definition_) + " is " + FormatNumber(*total), watch),
            &triage);
    }
  }
  return triage;
}

std::string_view BandOf(const Definition& definition, double total) {
  // Where bands of fractional totals meet, the upper one has the number that both name.
  std::string_view name;
  for (const Band& band : definition.bands()) {
    if (total >= band.low && total <= band.high) name = band.name;
  }
  return name;
}

std::string TotalName(const Definition& definition) {
  return definition.total_code().empty() ? "total" : "total " + definition.total_code();
}

Triage Compare(const Definition& definition, double previous_total, double total) {
  Triage triage;
  for (const Watch& watch : CompiledDefinition::Of(definition).watches()) {
    if (watch.subject != Subject::kRise || !watch.condition.Holds(total - previous_total)) continue;
    Raise(watch.level,
          WithReason(TotalName(definition) + " rose by " + FormatNumber(total - previous_total) +
                         ", from " + FormatNumber(previous_total) + " to " + FormatNumber(total),
                     watch),
          &triage);
  }
  return triage;
}

}  // namespace weir::clinical

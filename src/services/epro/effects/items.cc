#include "services/epro/effects/items.h"

#include <charconv>

#include "base/bytes.h"
#include "base/json_writer.h"

namespace weir::epro {
namespace {

using clinical::AnswerOption;
using clinical::CleanItem;
using clinical::Item;

// A number of this length names a score; a longer one is a value of its own.
constexpr size_t kShortNumberMax = 4;

std::string JoinRules(const CleanItem& item) {
  std::string joined;
  for (const std::string& rule : item.rules) {
    if (!joined.empty()) joined += ' ';
    joined += rule;
  }
  return joined;
}

const AnswerOption* OptionOf(const Item& item, std::string_view code) {
  for (const AnswerOption& option : item.options) {
    if (option.code == code) return &option;
  }
  return nullptr;
}

// Whether `json` is the string `text` without escapes.
bool IsQuoted(std::string_view json, std::string_view text) {
  return json.size() == text.size() + 2 && json.front() == '"' && json.back() == '"' &&
         json.substr(1, text.size()) == text;
}

bool IsNumber(std::string_view json) {
  return !json.empty() && (json[0] == '-' || (json[0] >= '0' && json[0] <= '9'));
}

// A value that has no words in it.
bool IsWordless(std::string_view json) {
  return IsNumber(json) || json == "true" || json == "false" || json == "null";
}

// Whether the original says no more than the option does.
bool IsUsualForm(const CleanItem& item, const AnswerOption& option) {
  const std::string_view original = item.original;
  return IsQuoted(original, option.code) || IsQuoted(original, option.display) ||
         (IsNumber(original) && original.size() <= kShortNumberMax);
}

void AppendNumber(std::string& out, std::optional<double> number) {
  out.push_back(number ? '1' : '0');
  if (number) base::AppendInt(out, *number);
}
void AppendSized(std::string& out, std::string_view text) {
  base::AppendInt(out, static_cast<uint32_t>(text.size()));
  out.append(text);
}

void WriteOwn(base::JsonWriter& json, const CleanItem& item, bool original, bool code, bool text) {
  json.BeginObject().Key("a").String(item.address);
  if (original) json.Key("o").String(item.original);
  if (code && item.code) json.Key("c").String(*item.code);
  if (item.number) json.Key("n").Number(*item.number);
  if (text && item.text) json.Key("t").String(*item.text);
  if (item.score) json.Key("s").Number(*item.score);
  if (!item.rules.empty()) json.Key("r").String(JoinRules(item));
  if (!original || (item.code && !code) || (item.text && !text)) json.Key("w").Number(1);
  json.EndObject();
}

}  // namespace

const Item* ItemWriter::ItemAt(const clinical::Definition* definition, std::string_view address,
                               size_t guess) const {
  if (definition == nullptr) return nullptr;
  const auto& items = definition->items();
  if (guess < items.size() && items[guess].address == address) return &items[guess];
  for (const Item& item : items) {
    if (item.address == address) return &item;
  }
  return nullptr;
}

HashId ItemWriter::Share(const CleanItem& item) {
  key_.clear();
  AppendSized(key_, item.address);
  AppendSized(key_, item.original);
  AppendSized(key_, *item.code);
  AppendNumber(key_, item.number);
  AppendNumber(key_, item.score);
  for (const std::string& rule : item.rules) AppendSized(key_, rule);
  if (const auto found = ids_.find(key_); found != ids_.end()) return found->second;
  // 48 bits keep the rows short; how many usual answers there are is the definitions' affair.
  const HashId id = MakeHashId("answer", {key_}) & 0xffff'ffff'ffff;
  ids_.emplace(key_, id);
  shared_.answers.try_emplace(id, SharedAnswer{item.address, item.original, *item.code, item.number,
                                               item.score, JoinRules(item)});
  return id;
}

void ItemWriter::Write(const clinical::Definition* definition,
                       const clinical::Evaluation& evaluation, Reading* reading) {
  base::JsonWriter all(reading->items);
  std::string research;
  base::JsonWriter pseudonymous(research);
  bool same = true;
  all.BeginArray();
  pseudonymous.BeginArray();
  for (size_t i = 0; i < evaluation.items.size(); ++i) {
    const CleanItem& clean = evaluation.items[i];
    const Item* item = ItemAt(definition, clean.address, i);
    const AnswerOption* option =
        item != nullptr && clean.code ? OptionOf(*item, *clean.code) : nullptr;
    const bool usual = option != nullptr && IsUsualForm(clean, *option);
    if (usual && !clean.text) {
      const HashId id = Share(clean);
      all.Number(id);
      pseudonymous.Number(id);
      continue;
    }
    same = false;
    WriteOwn(all, clean, true, true, true);
    // What the sender alone has worded, be it the name of an item, may tell who the patient is.
    if (item == nullptr) continue;
    const bool safe = item->safe_text;
    WriteOwn(pseudonymous, clean, safe || usual || IsWordless(clean.original),
             safe || option != nullptr, safe);
  }
  all.EndArray();
  pseudonymous.EndArray();
  if (!same) reading->research_items = std::move(research);
}

}  // namespace weir::epro

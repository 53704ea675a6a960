#include "clinical/evaluate.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "clinical/scoring.h"
#include "clinical/text.h"

namespace weir::clinical {
namespace {

constexpr int64_t kMinuteMs = 60'000, kHourMs = 60 * kMinuteMs, kDayMs = 24 * kHourMs;
constexpr int64_t kYear1900Ms = -2'208'988'800'000;
// A clock that is this much ahead is a clock; one further ahead is a mistake.
constexpr int64_t kAheadMaxMs = 5 * kMinuteMs;
// A bare day begins up to 14 hours before it does in UTC.
constexpr int64_t kDayAheadMaxMs = 14 * kHourMs;
constexpr double kAgeMaxDaysUnknown = 3652;

class Evaluator {
 public:
  Evaluator(const CompiledDefinition* definition, const Answers& answers, const ReportTimes& times,
            bool named)
      : definition_(definition), answers_(answers), times_(times), named_(named) {}

  Evaluation Run() {
    out_.items.reserve(std::min<size_t>(answers_.given.size(), 64));
    const bool answers =
        answers_.shape == Answers::Shape::kObject || answers_.shape == Answers::Shape::kResponse;
    if (definition_ != nullptr && answers) {
      KnownItems();
    } else {
      for (const Given& given : answers_.given) Keep(given, {});
    }
    WholeReport();
    return std::move(out_);
  }

 private:
  void FlagReport(Rule rule) { out_.flags.push_back({std::string(Name(rule)), {}}); }
  void FlagItem(Rule rule, std::string_view address) {
    out_.flags.push_back({std::string(Name(rule)), std::string(address)});
  }

  // Keeps an answer as it was sent, with what its own form says.
  CleanItem& Keep(const Given& given, RuleSet rules) {
    CleanItem& item = out_.items.emplace_back();
    item.address = answers_.entries[given.entry].address;
    item.original = given.raw;
    rules.Each([&](Rule rule) {
      item.rules.emplace_back(Name(rule));
      FlagItem(rule, item.address);
    });
    return item;
  }

  void KeepClean(const Given& given, Cleaned& cleaned) {
    CleanItem& item = Keep(given, cleaned.rules);
    if (cleaned.option != nullptr) {
      item.code = cleaned.option->code;
    } else if (!cleaned.code.empty()) {
      item.code = std::string(cleaned.code);
    }
    item.number = cleaned.number;
    if (cleaned.has_text) item.text = std::move(cleaned.text);
    item.score = cleaned.score;
  }

  void KnownItems() {
    const std::vector<Item>& items = definition_->items();
    const std::vector<ItemDetail>& details = definition_->details();
    const std::vector<Given>& given = answers_.given;
    Scoring scoring(*definition_);

    // The answers of each item as a list through `next`, in the order in which they were sent.
    constexpr int32_t kEnd = -1;
    std::vector<int32_t> first(items.size(), kEnd), last(items.size(), kEnd);
    std::vector<int32_t> next(given.size(), kEnd);
    std::vector<int32_t> index_of(answers_.entries.size());
    for (size_t i = 0; i < index_of.size(); ++i) {
      index_of[i] = definition_->Find(answers_.entries[i].address);
    }
    std::vector<Cleaned> cleaned(given.size());
    for (size_t i = 0; i < given.size(); ++i) {
      const int32_t index = index_of[given[i].entry];
      if (index < 0) continue;
      const auto at = static_cast<size_t>(index);
      if (given[i].form != Form::kNull) {
        cleaned[i] = Clean(items[at], details[at], given[i]);
        scoring.Add(index, given[i].entry, cleaned[i]);
      }
      int32_t& link = first[at] == kEnd ? first[at] : next[static_cast<size_t>(last[at])];
      link = last[at] = static_cast<int32_t>(i);
    }

    out_.total = scoring.Total();
    for (size_t at = 0; at < items.size(); ++at) {
      MarkRepetition(scoring.item(at), details[at], first[at], next, &cleaned);
      if (static_cast<int32_t>(at) == definition_->total_item()) {
        CheckTotal(first[at], &cleaned);
      }
      for (int32_t i = first[at]; i != kEnd; i = next[static_cast<size_t>(i)]) {
        const auto answer = static_cast<size_t>(i);
        if (given[answer].form == Form::kNull) {
          Keep(given[answer], {});
        } else {
          KeepClean(given[answer], cleaned[answer]);
        }
      }
      if (items[at].required && !details[at].conditional && !scoring.item(at).answered()) {
        FlagItem(Rule::kUnansweredRequired, items[at].address);
      }
    }
    UnknownItems(index_of);

    if (!out_.total) {
      out_.unscored_reason = scoring.UnscoredReason();
    } else {
      out_.band = BandOf(*definition_, *out_.total);
    }
    Triage triage = scoring.Risk(out_.total);
    out_.level = triage.level;
    out_.reason = std::move(triage.reason);
  }

  void MarkRepetition(const ItemScore& score, const ItemDetail& detail, int32_t first,
                      const std::vector<int32_t>& next, std::vector<Cleaned>* cleaned) const {
    uint32_t count = 0, most = 0, entry = 0;
    for (int32_t i = first; i >= 0; i = next[static_cast<size_t>(i)]) {
      const Given& given = answers_.given[static_cast<size_t>(i)];
      if (given.form == Form::kNull) continue;
      count = count > 0 && given.entry == entry ? count + 1 : 1;
      entry = given.entry;
      most = std::max(most, count);
    }
    const bool too_many = detail.answers_max != 0 && most > detail.answers_max;
    if (!too_many && !score.duplicate()) return;
    for (int32_t i = first; i >= 0; i = next[static_cast<size_t>(i)]) {
      const auto at = static_cast<size_t>(i);
      if (answers_.given[at].form == Form::kNull) continue;
      if (too_many) (*cleaned)[at].rules.Add(Rule::kTooManyAnswers);
      if (score.duplicate()) (*cleaned)[at].rules.Add(Rule::kDuplicateItem);
    }
  }

  // Senders compute the total too: ours counts, and a difference is worth a look.
  void CheckTotal(int32_t first, std::vector<Cleaned>* cleaned) const {
    if (first < 0 || !out_.total) return;
    Cleaned& sent = (*cleaned)[static_cast<size_t>(first)];
    if (sent.number && *sent.number != *out_.total) sent.rules.Add(Rule::kTotalDiffers);
  }

  void UnknownItems(const std::vector<int32_t>& index_of) {
    for (const Given& given : answers_.given) {
      RuleSet rules;
      const int32_t index = index_of[given.entry];
      if (index >= 0) continue;
      if (index == AddressTable::kNone) rules.Add(Rule::kUnknownItem);
      if (index == CompiledDefinition::kSection) rules.Add(Rule::kNotAnswerable);
      CleanItem& item = Keep(given, rules);
      if (given.form == Form::kNumber) item.number = given.number;
      if (index == CompiledDefinition::kTotalOnly && item.number && out_.total &&
          *item.number != *out_.total) {
        item.rules.emplace_back(Name(Rule::kTotalDiffers));
        FlagItem(Rule::kTotalDiffers, item.address);
      }
    }
    for (size_t i = 0; i < index_of.size(); ++i) {
      const Entry& entry = answers_.entries[i];
      if (index_of[i] == AddressTable::kNone && !entry.has_answer) {
        FlagItem(Rule::kUnknownItem, entry.address);
      }
    }
  }

  void WholeReport() {
    if (answers_.malformed) FlagReport(Rule::kMalformed);
    if (answers_.cut) FlagReport(Rule::kAnswersCut);
    CheckTimes();
    switch (answers_.shape) {
      case Answers::Shape::kObject:
      case Answers::Shape::kResponse:
        if (definition_ == nullptr) {
          FlagReport(Rule::kUnknownInstrument);
          out_.unscored_reason = WhyUnknown();
        } else if (answers_.malformed && !out_.total) {
          out_.unscored_reason = "the data is not valid JSON";
        }
        return;
      case Answers::Shape::kFreeText:
        if (definition_ != nullptr) FlagReport(Rule::kFreeText);
        out_.unscored_reason = "the data is free text";
        return;
      case Answers::Shape::kOtherResource:
        FlagReport(Rule::kUnsupportedResource);
        out_.unscored_reason = "the data is a FHIR resource other than QuestionnaireResponse";
        return;
      case Answers::Shape::kUnreadable:
        FlagReport(Rule::kUnreadable);
        out_.unscored_reason = "the data is neither text nor answers";
    }
  }

  // Which others there were when it came in is not recorded: none has all its items, or several.
  std::string WhyUnknown() const {
    if (named_) return "the instrument is not known";
    const std::string what = answers_.questionnaire.empty()
                                 ? "no instrument is named"
                                 : "the questionnaire that the response names is not known";
    return what + ", and not exactly one has all its items";
  }

  void CheckTimes() {
    std::optional<int64_t> authored = times_.authored_ms;
    int64_t ahead_max = kAheadMaxMs;
    if (!authored && !answers_.authored.empty()) {
      const auto parsed = base::ParseTime(answers_.authored);
      if (!parsed && !IsDate(answers_.authored)) return FlagReport(Rule::kTimeImplausible);
      if (!parsed) return;  // a bare year or month says too little
      authored = *parsed;
    }
    if (!authored) return;
    if (answers_.authored.size() == 10 && *authored % kDayMs == 0) ahead_max = kDayAheadMaxMs;
    const double age_max =
        definition_ != nullptr ? definition_->authored_age_max_days() : kAgeMaxDaysUnknown;
    const double ahead = static_cast<double>(*authored) - static_cast<double>(times_.received_ms);
    if (ahead > static_cast<double>(ahead_max) || *authored < kYear1900Ms ||
        -ahead > age_max * static_cast<double>(kDayMs)) {
      FlagReport(Rule::kTimeImplausible);
    }
  }

  const CompiledDefinition* definition_;
  const Answers& answers_;
  const ReportTimes& times_;
  const bool named_;
  Evaluation out_;
};

std::vector<std::string_view> LinkIdsOf(const Answers& answers) {
  std::vector<std::string_view> link_ids;
  link_ids.reserve(answers.entries.size());
  for (const Entry& entry : answers.entries) {
    // Sections of a response carry others, and are no answers themselves.
    if (entry.has_answer || !entry.has_items) link_ids.push_back(entry.address);
  }
  return link_ids;
}

ResponseHead HeadOf(const Answers& answers) {
  ResponseHead head;
  if (answers.shape != Answers::Shape::kResponse) return head;
  if (const auto authored = base::ParseTime(answers.authored)) head.authored_ms = *authored;
  head.questionnaire = answers.questionnaire.substr(0, answers.questionnaire.find('|'));
  return head;
}

Triage TriageAnswers(const CompiledDefinition& definition, const Answers& answers) {
  Scoring scoring(definition);
  for (const Given& given : answers.given) {
    if (given.form == Form::kNull) continue;
    const int32_t index = definition.Find(answers.entries[given.entry].address);
    if (index < 0) continue;
    const auto at = static_cast<size_t>(index);
    const ItemDetail& detail = definition.details()[at];
    if (!detail.watched) continue;
    scoring.Add(index, given.entry, Judge(definition.items()[at], detail, given));
  }
  return scoring.Risk(scoring.Total());
}

}  // namespace

std::vector<std::string_view> LinkIds(std::string_view data_json) {
  return LinkIdsOf(ReadAnswers(data_json));
}

ResponseHead ReadResponseHead(std::string_view data_json) { return HeadOf(ReadAnswers(data_json)); }

Triage TriageReport(const Definition& definition, std::string_view data_json) {
  return TriageAnswers(CompiledDefinition::Of(definition), ReadAnswers(data_json));
}

FirstLook LookAt(const Catalog& catalog, std::string_view instrument, std::string_view data_json) {
  const Answers& answers = ReadAnswers(data_json);
  const ResponseHead head = HeadOf(answers);
  FirstLook look;
  look.authored_ms = head.authored_ms;
  if (!instrument.empty()) {
    look.definition = catalog.Find(instrument);
  } else {
    if (!head.questionnaire.empty()) look.definition = catalog.Find(head.questionnaire);
    if (look.definition == nullptr) look.definition = catalog.Infer(LinkIdsOf(answers));
  }
  if (look.definition != nullptr) {
    look.triage = TriageAnswers(CompiledDefinition::Of(*look.definition), answers);
  }
  return look;
}

Evaluation Evaluate(const Definition* definition, std::string_view data_json,
                    const ReportTimes& times, bool named) {
  const CompiledDefinition* const compiled =
      definition == nullptr ? nullptr : &CompiledDefinition::Of(*definition);
  return Evaluator(compiled, ReadAnswers(data_json), times, named).Run();
}

}  // namespace weir::clinical

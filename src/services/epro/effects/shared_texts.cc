#include "services/epro/effects/shared_texts.h"

#include "services/epro/effects/bind.h"

namespace weir::epro {

using base::Status;

Status SharedTexts::Open(store::Connection& connection) {
  WEIR_ASSIGN_OR_RETURN(context_,
                        connection.Prepare("INSERT INTO context(id, study_id, site_id, instrument,"
                                           " definition, rules_version) VALUES(?, ?, ?, ?, ?, ?)"
                                           " ON CONFLICT DO NOTHING"));
  WEIR_ASSIGN_OR_RETURN(answer_,
                        connection.Prepare("INSERT INTO answer(id, address, original, code, number,"
                                           " score, rules) VALUES(?, ?, ?, ?, ?, ?, ?)"
                                           " ON CONFLICT DO NOTHING"));
  WEIR_ASSIGN_OR_RETURN(outcome_, connection.Prepare("INSERT INTO outcome(id, band, level, reason,"
                                                     " unscored_reason) VALUES(?, ?, ?, ?, ?)"
                                                     " ON CONFLICT DO NOTHING"));
  known_.clear();
  RolledBack();
  return {};
}

Status SharedTexts::Add(HashId id, const Context& context) {
  context_->Bind(1, id)
      .BindText(2, context.study_id)
      .BindText(3, context.site_id)
      .BindText(4, context.instrument)
      .BindBlob(5, context.definition)
      .BindText(6, context.rules_version);
  return context_->Run();
}

Status SharedTexts::Add(HashId id, const SharedAnswer& answer) {
  answer_->Bind(1, id)
      .BindText(2, answer.address)
      .BindText(3, answer.original)
      .BindText(4, answer.code);
  BindOptional(*answer_, 5, answer.number);
  BindOptional(*answer_, 6, answer.score);
  answer_->BindText(7, answer.rules);
  return answer_->Run();
}

Status SharedTexts::Add(HashId id, const Outcome& outcome) {
  outcome_->Bind(1, id)
      .BindText(2, outcome.band)
      .BindText(3, outcome.level)
      .BindText(4, outcome.reason)
      .BindText(5, outcome.unscored_reason);
  return outcome_->Run();
}

template <class Map>
Status SharedTexts::AddNew(const Map& map) {
  for (const auto& [id, text] : map) {
    if (known_.contains(id)) continue;
    WEIR_RETURN_IF_ERROR(Add(id, text));
    known_.insert(id);
    pending_.push_back(id);
  }
  return {};
}

Status SharedTexts::Ensure(const Readings& readings) {
  if (ensured_ == readings.serial) return {};
  WEIR_RETURN_IF_ERROR(AddNew(readings.shared.contexts));
  WEIR_RETURN_IF_ERROR(AddNew(readings.shared.answers));
  WEIR_RETURN_IF_ERROR(AddNew(readings.shared.outcomes));
  ensured_ = readings.serial;
  return {};
}

void SharedTexts::Committed() {
  pending_.clear();
  ensured_ = 0;
  if (known_.size() > kKnownMax) known_.clear();
}

void SharedTexts::RolledBack() {
  for (const HashId id : pending_) known_.erase(id);
  pending_.clear();
  ensured_ = 0;
}

}  // namespace weir::epro

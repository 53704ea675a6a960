#include "services/epro/effects/diary_task.h"

#include <algorithm>
#include <utility>

namespace weir::epro {

using base::Result;
using base::Status;

Status Diary::Open(store::Connection& connection) {
  connection_ = &connection;
  WEIR_RETURN_IF_ERROR(patients_.Open(connection));
  WEIR_ASSIGN_OR_RETURN(site_.load, connection.Prepare("SELECT last_offset, reports FROM diary_site"
                                                       " WHERE study_id = ? AND site_id = ?"));
  WEIR_ASSIGN_OR_RETURN(site_.save,
                        connection.Prepare("REPLACE INTO diary_site(study_id, site_id,"
                                           " last_offset, reports) VALUES(?, ?, ?, ?)"));
  WEIR_ASSIGN_OR_RETURN(
      study_.load,
      connection.Prepare("SELECT last_offset, reports FROM diary_study WHERE study_id = ?"));
  WEIR_ASSIGN_OR_RETURN(study_.save,
                        connection.Prepare("REPLACE INTO diary_study(study_id, last_offset,"
                                           " reports) VALUES(?, ?, ?)"));
  WEIR_ASSIGN_OR_RETURN(
      insert_, connection.Prepare("INSERT INTO diary_report(record_offset, context, patient_id,"
                                  " report_id, received_ms, authored_ms, patient_previous,"
                                  " site_previous, study_previous)"
                                  " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  return {};
}

void Diary::Discard() {
  pending_.clear();
  if (std::exchange(flushing_, false)) patients_.Forget();
}

void Diary::RolledBack() {
  Discard();
  patients_.Forget();
}

Status Diary::ApplyReport(const journal::RecordView& record, const Readings& readings,
                          const Reading& reading, const tasks::Turn& turn) {
  if (reading.conflict) return {};
  WEIR_RETURN_IF_ERROR(texts_.Ensure(readings));
  const Pending pending{record.offset, record.time_ms, &reading, {}};
  if (turn.replayed) {
    flushing_ = true;
    WEIR_RETURN_IF_ERROR(ApplyReplayed(pending));
    flushing_ = false;
    return {};
  }
  pending_.push_back(pending);
  return {};
}

Status Diary::Flush() {
  if (pending_.empty()) return {};
  flushing_ = true;
  WEIR_RETURN_IF_ERROR(LinkPatients());
  WEIR_RETURN_IF_ERROR(LinkSites());
  WEIR_RETURN_IF_ERROR(LinkStudies());
  for (const Pending& pending : pending_) WEIR_RETURN_IF_ERROR(Insert(pending));
  pending_.clear();
  WEIR_RETURN_IF_ERROR(patients_.Merge());
  flushing_ = false;
  return {};
}

// In the order in which the store keeps patients: what lies together is read and written together.
Status Diary::LinkPatients() {
  std::vector<Pending*> by_patient;
  by_patient.reserve(pending_.size());
  for (Pending& pending : pending_) by_patient.push_back(&pending);
  std::ranges::sort(by_patient, {}, [](const Pending* pending) {
    return std::pair(pending->reading->patient, pending->offset);
  });
  for (size_t i = 0; i < by_patient.size();) {
    const HashId patient = by_patient[i]->reading->patient;
    WEIR_ASSIGN_OR_RETURN(Head head, LoadPatient(patient));
    for (; i < by_patient.size() && by_patient[i]->reading->patient == patient; ++i) {
      by_patient[i]->links.patient = head.last;
      head = {by_patient[i]->offset, head.reports + 1};
    }
    WEIR_RETURN_IF_ERROR(SavePatient(patient, head));
  }
  return {};
}

Status Diary::LinkSites() {
  std::map<SiteKey, Head> heads;
  for (Pending& pending : pending_) {
    const SiteKey key{pending.reading->head.study_id, pending.reading->head.site_id};
    auto at = heads.find(key);
    if (at == heads.end()) {
      WEIR_ASSIGN_OR_RETURN(const Head head, LoadSite(key));
      at = heads.emplace(key, head).first;
    }
    pending.links.site = at->second.last;
    at->second = {pending.offset, at->second.reports + 1};
  }
  for (const auto& [key, head] : heads) WEIR_RETURN_IF_ERROR(SaveSite(key, head));
  return {};
}

Status Diary::LinkStudies() {
  std::map<std::string_view, Head> heads;
  for (Pending& pending : pending_) {
    const std::string_view study_id = pending.reading->head.study_id;
    auto at = heads.find(study_id);
    if (at == heads.end()) {
      WEIR_ASSIGN_OR_RETURN(const Head head, LoadStudy(study_id));
      at = heads.emplace(study_id, head).first;
    }
    pending.links.study = at->second.last;
    at->second = {pending.offset, at->second.reports + 1};
  }
  for (const auto& [study_id, head] : heads) WEIR_RETURN_IF_ERROR(SaveStudy(study_id, head));
  return {};
}

Status Diary::Insert(const Pending& pending) {
  const wire::ReportHead& head = pending.reading->head;
  insert_->Bind(1, Number(pending.offset))
      .Bind(2, pending.reading->context)
      .BindText(3, head.patient_id)
      .BindText(4, head.report_id)
      .Bind(5, pending.time_ms);
  BindOptional(*insert_, 6, head.authored_ms);
  BindOptional(*insert_, 7, pending.links.patient);
  BindOptional(*insert_, 8, pending.links.site);
  BindOptional(*insert_, 9, pending.links.study);
  return insert_->Run();
}

Status Diary::ApplyReplayed(const Pending& pending) {
  const wire::ReportHead& head = pending.reading->head;
  const SiteKey site{head.study_id, head.site_id};
  Pending linked = pending;

  WEIR_ASSIGN_OR_RETURN(Head patient_head, LoadPatient(pending.reading->patient));
  WEIR_ASSIGN_OR_RETURN(const auto next_of_patient, NextOfPatient(pending, patient_head));
  WEIR_RETURN_IF_ERROR(LinkReplayed("patient_previous", next_of_patient, pending.offset,
                                    &patient_head, &linked.links.patient));
  WEIR_RETURN_IF_ERROR(SavePatient(pending.reading->patient, patient_head));

  WEIR_ASSIGN_OR_RETURN(Head site_head, LoadSite(site));
  WEIR_ASSIGN_OR_RETURN(const auto next_of_site, NextInContexts(pending, true));
  WEIR_RETURN_IF_ERROR(
      LinkReplayed("site_previous", next_of_site, pending.offset, &site_head, &linked.links.site));
  WEIR_RETURN_IF_ERROR(SaveSite(site, site_head));

  WEIR_ASSIGN_OR_RETURN(Head study_head, LoadStudy(head.study_id));
  WEIR_ASSIGN_OR_RETURN(const auto next_of_study, NextInContexts(pending, false));
  WEIR_RETURN_IF_ERROR(LinkReplayed("study_previous", next_of_study, pending.offset, &study_head,
                                    &linked.links.study));
  WEIR_RETURN_IF_ERROR(SaveStudy(head.study_id, study_head));
  return Insert(linked);
}

// Puts a report between `next` (none: it becomes the newest) and what that one followed.
Status Diary::LinkReplayed(const std::string& column, std::optional<Offset> next, Offset offset,
                           Head* head, std::optional<Offset>* previous) {
  ++head->reports;
  if (!next) {
    *previous = head->last;
    head->last = offset;
    return {};
  }
  WEIR_ASSIGN_OR_RETURN(
      store::Statement * select,
      connection_->Prepare("SELECT " + column + " FROM diary_report WHERE record_offset = ?"));
  select->Bind(1, Number(*next));
  auto row = select->Step();
  if (row && *row) *previous = OffsetAt(*select, 0);
  select->Reset();
  if (!row) return base::Fail(std::move(row).error());
  WEIR_ASSIGN_OR_RETURN(
      store::Statement * update,
      connection_->Prepare("UPDATE diary_report SET " + column + " = ? WHERE record_offset = ?"));
  update->Bind(1, Number(offset)).Bind(2, Number(*next));
  return update->Run();
}

Result<std::optional<Offset>> Diary::NextOfPatient(const Pending& pending, const Head& head) {
  WEIR_ASSIGN_OR_RETURN(store::Statement * select,
                        connection_->Prepare("SELECT patient_previous FROM diary_report"
                                             " WHERE record_offset = ?"));
  std::optional<Offset> next;
  std::optional<Offset> at = head.last;
  while (at && *at > pending.offset) {
    next = at;
    select->Bind(1, Number(*at));
    auto row = select->Step();
    at = row && *row ? OffsetAt(*select, 0) : std::nullopt;
    select->Reset();
    if (!row) return base::Fail(std::move(row).error());
  }
  return next;
}

Result<std::optional<Offset>> Diary::NextInContexts(const Pending& pending, bool of_site) {
  WEIR_ASSIGN_OR_RETURN(
      store::Statement * select,
      connection_->Prepare(of_site ? "SELECT record_offset FROM diary_report"
                                     " WHERE record_offset > ? AND +context IN (SELECT id FROM"
                                     " context WHERE study_id = ? AND site_id = ?)"
                                     " ORDER BY record_offset LIMIT 1"
                                   : "SELECT record_offset FROM diary_report"
                                     " WHERE record_offset > ? AND +context IN (SELECT id FROM"
                                     " context WHERE study_id = ?)"
                                     " ORDER BY record_offset LIMIT 1"));
  select->Bind(1, Number(pending.offset)).BindText(2, pending.reading->head.study_id);
  if (of_site) select->BindText(3, pending.reading->head.site_id);
  auto row = select->Step();
  const std::optional<Offset> next = row && *row ? OffsetAt(*select, 0) : std::nullopt;
  select->Reset();
  if (!row) return base::Fail(std::move(row).error());
  return next;
}

Result<Diary::Head> Diary::Load(store::Statement& load) {
  auto row = load.Step();
  Head head;
  if (row && *row) head = {OffsetAt(load, 0), load.Int(1)};
  load.Reset();
  if (!row) return base::Fail(std::move(row).error());
  return head;
}

Result<Diary::Head> Diary::LoadPatient(HashId patient) {
  WEIR_ASSIGN_OR_RETURN(const auto head, patients_.Load(patient));
  return head ? Head{head->last, static_cast<int64_t>(head->value)} : Head{};
}
Result<Diary::Head> Diary::LoadSite(const SiteKey& site) {
  site_.load->BindText(1, site.first).BindText(2, site.second);
  return Load(*site_.load);
}
Result<Diary::Head> Diary::LoadStudy(std::string_view study_id) {
  study_.load->BindText(1, study_id);
  return Load(*study_.load);
}

Status Diary::SavePatient(HashId patient, const Head& head) {
  return patients_.Save(patient, {*head.last, static_cast<double>(head.reports)});
}
Status Diary::SaveSite(const SiteKey& site, const Head& head) {
  site_.save->BindText(1, site.first)
      .BindText(2, site.second)
      .Bind(3, Number(*head.last))
      .Bind(4, head.reports);
  return site_.save->Run();
}
Status Diary::SaveStudy(std::string_view study_id, const Head& head) {
  study_.save->BindText(1, study_id).Bind(2, Number(*head.last)).Bind(3, head.reports);
  return study_.save->Run();
}

}  // namespace weir::epro

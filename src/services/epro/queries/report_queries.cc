#include <algorithm>

#include "alerts/queries.h"
#include "base/check.h"
#include "clinical/definition.h"
#include "services/epro/effects/patient_heads.h"
#include "services/epro/queries.h"
#include "services/epro/queries/rows.h"

namespace weir::epro {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;
using store::Connection;
using store::Statement;

namespace {

// A patient's reports at one site are looked for in this many of the patient's at most, per page.
constexpr size_t kLookedAtMax = 10'000;

enum class ChainOf { kPatient, kSite, kStudy };

const char* HeadSql(ChainOf chain) {
  switch (chain) {
    case ChainOf::kPatient:
      break;  // PatientHeads
    case ChainOf::kSite:
      return "SELECT last_offset FROM diary_site WHERE study_id = ? AND site_id = ?";
    case ChainOf::kStudy:
      return "SELECT last_offset FROM diary_study WHERE study_id = ?";
  }
  return "";
}

Result<std::optional<Offset>> ChainHead(Connection& connection, ChainOf chain,
                                        const ReportFilter& filter) {
  if (chain == ChainOf::kPatient) {
    WEIR_ASSIGN_OR_RETURN(
        const auto head,
        PatientHeads::Read(connection, "diary_patient",
                           MakeHashId("patient", {filter.study_id, *filter.patient_id})));
    return head ? std::optional(head->last) : std::nullopt;
  }
  WEIR_ASSIGN_OR_RETURN(Statement * select, connection.Prepare(HeadSql(chain)));
  Cursor cursor(*select);
  select->BindText(1, filter.study_id);
  if (chain == ChainOf::kSite) select->BindText(2, *filter.site_id);
  WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
  return row ? OffsetAt(*select, 0) : std::nullopt;
}

struct Linked {
  ReportRow report;
  std::string study_id;
  std::optional<Offset> previous[3];  // by ChainOf
};

Result<std::optional<Linked>> ReadLinked(Connection& connection, Offset record) {
  WEIR_ASSIGN_OR_RETURN(
      Statement * select,
      connection.Prepare("SELECT d.report_id, d.patient_id, c.site_id, c.instrument, d.received_ms,"
                         " d.authored_ms, c.study_id, d.patient_previous, d.site_previous,"
                         " d.study_previous FROM diary_report d JOIN context c ON c.id = d.context"
                         " WHERE d.record_offset = ?"));
  select->Bind(1, Clamped(record));
  Cursor cursor(*select);
  WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
  if (!row) return std::optional<Linked>();
  Linked linked;
  linked.report = {.record = record,
                   .report_id = cursor.Text(0),
                   .patient_id = cursor.Text(1),
                   .site_id = cursor.Text(2),
                   .instrument = cursor.Text(3),
                   .received_ms = select->Int(4),
                   .authored_ms = cursor.OptionalInt(5)};
  linked.study_id = cursor.Text(6);
  for (int i = 0; i < 3; ++i) linked.previous[i] = OffsetAt(*select, 7 + i);
  return std::optional(std::move(linked));
}

bool Fits(const Linked& linked, const ReportFilter& filter) {
  return linked.study_id == filter.study_id &&
         (!filter.patient_id || linked.report.patient_id == *filter.patient_id) &&
         (!filter.site_id || linked.report.site_id == *filter.site_id);
}

}  // namespace

Result<ReportPage> ListReports(Connection& connection, const ReportFilter& filter,
                               std::optional<Offset> before, size_t limit) {
  const ChainOf chain = filter.patient_id ? ChainOf::kPatient
                        : filter.site_id  ? ChainOf::kSite
                                          : ChainOf::kStudy;
  std::optional<Offset> at;
  if (before) {
    WEIR_ASSIGN_OR_RETURN(const auto last, ReadLinked(connection, *before));
    // Of the chain that is followed: the row may be one that the page itself passed over.
    ReportFilter of_chain = filter;
    if (chain == ChainOf::kPatient) of_chain.site_id.reset();
    if (!last || !Fits(*last, of_chain)) {
      return Fail(ErrorCode::kInvalidArgument, "no page of this list ends there");
    }
    at = last->previous[static_cast<int>(chain)];
  } else {
    WEIR_ASSIGN_OR_RETURN(at, ChainHead(connection, chain, filter));
  }
  ReportPage page;
  limit = std::clamp<size_t>(limit, 1, kPageMax);
  for (size_t looked_at = 0; at; ++looked_at) {
    if (page.rows.size() == limit || looked_at == kLookedAtMax) return page;
    WEIR_ASSIGN_OR_RETURN(auto linked, ReadLinked(connection, *at));
    if (!linked) return Fail(ErrorCode::kCorruption, "a chain of the diary names a missing report");
    page.before = at;
    at = linked->previous[static_cast<int>(chain)];
    if (Fits(*linked, filter)) page.rows.push_back(std::move(linked->report));
  }
  page.before.reset();
  return page;
}

Result<CleansedReport> ReadCleansed(Connection& connection, Offset record) {
  CleansedReport report;
  {
    WEIR_ASSIGN_OR_RETURN(
        Statement * select,
        connection.Prepare("SELECT version, flags FROM cleansed WHERE record_offset = ?"));
    select->Bind(1, Clamped(record));
    Cursor cursor(*select);
    WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
    if (!row) return Fail(ErrorCode::kNotFound, "the record has not been cleansed");
    report.version = static_cast<int>(select->Int(0));
    report.flags_json = cursor.Text(1);
  }
  WEIR_ASSIGN_OR_RETURN(
      Statement * select,
      connection.Prepare(
          "SELECT coalesce(a.address, j.value ->> 'a'), coalesce(a.original, j.value ->> 'o'),"
          " coalesce(a.code, j.value ->> 'c'), j.value ->> 't', coalesce(a.number, j.value ->> "
          "'n'),"
          " coalesce(a.score, j.value ->> 's'), coalesce(a.rules, j.value ->> 'r', '')"
          " FROM cleansed r JOIN json_each(r.items) j"
          " LEFT JOIN answer a ON j.type = 'integer' AND a.id = j.value"
          " WHERE r.record_offset = ? ORDER BY j.key"));
  select->Bind(1, Clamped(record));
  Cursor cursor(*select);
  for (;;) {
    WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
    if (!row) return report;
    report.items.push_back({.item = cursor.Text(0),
                            .original = cursor.Text(1),
                            .code = cursor.OptionalText(2),
                            .text = cursor.OptionalText(3),
                            .number = cursor.OptionalReal(4),
                            .score = cursor.OptionalReal(5),
                            .rules = cursor.Text(6)});
  }
}

Result<Assessment> ReadAssessment(Connection& connection, Offset record) {
  WEIR_ASSIGN_OR_RETURN(
      Statement * select,
      connection.Prepare("SELECT c.instrument, lower(hex(c.definition)), c.rules_version, a.total,"
                         " o.band, o.level, o.reason, o.unscored_reason FROM assessed a"
                         " JOIN context c ON c.id = a.context JOIN outcome o ON o.id = a.outcome"
                         " WHERE a.record_offset = ?"));
  select->Bind(1, Clamped(record));
  Cursor cursor(*select);
  WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
  if (!row) return Fail(ErrorCode::kNotFound, "the record has not been assessed");
  Assessment assessment{.instrument = cursor.Text(0),
                        .definition = cursor.Text(1),
                        .rules_version = cursor.Text(2),
                        .total = cursor.OptionalReal(3),
                        .band = cursor.Text(4),
                        .level = cursor.Text(5),
                        .reason = cursor.Text(6),
                        .unscored_reason = cursor.Text(7)};
  if (assessment.level == clinical::Name(clinical::Level::kNone)) {
    // A rise over the patient's earlier report is no outcome of this one alone: its alert tells.
    const auto alert = alerts::Get(connection, alerts::StudyScope::All(), record);
    if (alert) {
      assessment.level = alerts::Name(alert->level);
      assessment.reason = alert->reason;
    }
  }
  return assessment;
}

Result<std::vector<ConflictRow>> ListConflicts(Connection& connection, std::string_view study_id,
                                               Offset from, size_t limit) {
  WEIR_ASSIGN_OR_RETURN(
      Statement * select,
      connection.Prepare("SELECT record_offset, report_id, patient_id, first_offset, received_ms"
                         " FROM conflict WHERE study_id = ? AND record_offset >= ?"
                         " ORDER BY record_offset LIMIT ?"));
  select->BindText(1, study_id)
      .Bind(2, Clamped(from))
      .Bind(3, static_cast<int64_t>(std::min(limit, kPageMax)));
  std::vector<ConflictRow> rows;
  Cursor cursor(*select);
  for (;;) {
    WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
    if (!row) return rows;
    rows.push_back({.record = ToOffset(select->Int(0)),
                    .report_id = cursor.Text(1),
                    .patient_id = cursor.Text(2),
                    .first = OffsetAt(*select, 3),
                    .received_ms = select->Int(4)});
  }
}

}  // namespace weir::epro

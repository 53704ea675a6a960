#include <algorithm>
#include <map>

#include "base/clock.h"
#include "services/epro/effects/patient_heads.h"
#include "services/epro/queries.h"
#include "services/epro/queries/rows.h"

namespace weir::epro {

using base::Result;
using store::Connection;
using store::Statement;

namespace {

constexpr int64_t kDayMs = 86'400'000;

int64_t FloorDay(int64_t time_ms) { return time_ms / kDayMs - (time_ms % kDayMs < 0 ? 1 : 0); }

Result<uint64_t> CountReports(Connection& connection, std::string_view study_id,
                              std::string_view patient_id) {
  WEIR_ASSIGN_OR_RETURN(const auto head,
                        PatientHeads::Read(connection, "diary_patient",
                                           MakeHashId("patient", {study_id, patient_id})));
  return head ? static_cast<uint64_t>(head->value) : uint64_t{0};
}

}  // namespace

Result<std::vector<AnalyticsRow>> ListAnalytics(Connection& connection,
                                                const AnalyticsFilter& filter,
                                                const std::optional<AnalyticsPosition>& after,
                                                size_t limit) {
  WEIR_ASSIGN_OR_RETURN(
      Statement * select,
      connection.Prepare("SELECT day, site_id, instrument, received, late, scored, bands, scores"
                         " FROM analytics WHERE study_id = ?1 AND day BETWEEN ?2 AND ?3"
                         " AND (?4 IS NULL OR site_id = ?4) AND (?5 IS NULL OR instrument = ?5)"
                         " AND (?6 = 0 OR (day, site_id, instrument) > (?7, ?8, ?9))"
                         " ORDER BY day, site_id, instrument LIMIT ?10"));
  const AnalyticsPosition from = after.value_or(AnalyticsPosition{});
  select->BindText(1, filter.study_id)
      .Bind(2, after ? std::max(filter.first_day, after->day) : filter.first_day)
      .Bind(3, filter.last_day);
  filter.site_id ? select->BindText(4, *filter.site_id) : select->BindNull(4);
  filter.instrument ? select->BindText(5, *filter.instrument) : select->BindNull(5);
  select->Bind(6, int64_t{after.has_value()})
      .Bind(7, from.day)
      .BindText(8, from.site_id)
      .BindText(9, from.instrument)
      .Bind(10, static_cast<int64_t>(std::min(limit, kPageMax)));
  std::vector<AnalyticsRow> rows;
  Cursor cursor(*select);
  for (;;) {
    WEIR_ASSIGN_OR_RETURN(const bool row, cursor.Next());
    if (!row) return rows;
    AnalyticsRow& next = rows.emplace_back();
    next.day = select->Int(0);
    next.site_id = cursor.Text(1);
    next.instrument = cursor.Text(2);
    next.tally.received = static_cast<uint64_t>(select->Int(3));
    next.tally.late = static_cast<uint64_t>(select->Int(4));
    next.tally.scored = static_cast<uint64_t>(select->Int(5));
    WEIR_RETURN_IF_ERROR(next.tally.AddBands(select->Text(6)));
    WEIR_RETURN_IF_ERROR(next.tally.AddScores(select->Text(7)));
  }
}

std::string FormatDay(int64_t day) { return base::FormatTime(day * kDayMs).substr(0, 10); }

std::optional<int64_t> ParseDay(std::string_view text) {
  if (text.size() != 10) return std::nullopt;
  const auto time_ms = base::ParseTime(text);
  if (!time_ms) return std::nullopt;
  return FloorDay(*time_ms);
}

Result<PatientDiary> ReadDiary(Connection& connection, std::string_view study_id,
                               std::string_view patient_id) {
  PatientDiary diary;
  std::map<int64_t, uint64_t, std::greater<>> days;
  const ReportFilter filter{
      .study_id = std::string(study_id), .patient_id = std::string(patient_id), .site_id = {}};
  WEIR_ASSIGN_OR_RETURN(const ReportPage page,
                        ListReports(connection, filter, std::nullopt, kDiaryReportsMax));
  if (page.rows.empty()) return diary;
  for (const ReportRow& row : page.rows)
    ++days[FloorDay(row.authored_ms.value_or(row.received_ms))];
  for (const auto& [day, reports] : days) diary.days.push_back({day, reports});
  diary.last = page.rows.front();
  diary.reports = page.rows.size();
  if (page.before) {
    WEIR_ASSIGN_OR_RETURN(diary.reports, CountReports(connection, study_id, patient_id));
  }
  return diary;
}

Adherence MeasureAdherence(const std::vector<DiaryDay>& days, const Schedule& schedule,
                           int64_t first_day, int64_t last_day) {
  Adherence adherence;
  if (last_day < first_day || schedule.reports == 0 || schedule.period_days == 0) return adherence;
  const int64_t length = schedule.period_days;
  const uint64_t wanted = schedule.reports;
  std::map<int64_t, uint64_t> received;  // by period from first_day
  for (const DiaryDay& day : days) {
    if (day.day < first_day || day.day > last_day) continue;
    received[(day.day - first_day) / length] += day.reports;
  }
  const uint64_t span = static_cast<uint64_t>(last_day - first_day + 1);
  const uint64_t whole = span / static_cast<uint64_t>(length);
  const uint64_t rest = span % static_cast<uint64_t>(length);
  // Of a period that is not over only its share is expected, rounded down.
  const uint64_t part = wanted * rest / static_cast<uint64_t>(length);
  adherence.expected = whole * wanted + part;
  for (const auto& [period, reports] : received) {
    adherence.received += std::min(reports, static_cast<uint64_t>(period) < whole ? wanted : part);
  }
  return adherence;
}

}  // namespace weir::epro

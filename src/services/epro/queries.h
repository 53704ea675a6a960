// What is read back of patients' reports, for the API.
//
// Every call is a short read on the caller's connection: no snapshot stays open between two calls,
// so none keeps the store's log from being shortened. Lists are paged by offset and bounded.
// Threads: the connection's. Errors: those of the store; kNotFound and kInvalidArgument where said.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/offset.h"
#include "base/result.h"
#include "services/epro/tally.h"
#include "store/database.h"

namespace weir::epro {

using base::Offset;

inline constexpr size_t kPageMax = 1000;

// --- Tasks ---

enum class TaskMark { kPending, kApplied, kQuarantined };
// "pending", "applied", "quarantined".
const char* Name(TaskMark mark);

struct MarkedTask {
  std::string_view task;  // one of kTaskNames
  TaskMark mark;
};
// How far each task is with one record, in the order of kTaskNames. `flags`: the record's (an
// urgent report counts as applied by `alert` as soon as the express lane has dealt with it).
base::Result<std::vector<MarkedTask>> TaskMarks(store::Connection& connection, Offset record,
                                                uint8_t flags);

struct QuarantineEntry {
  std::string task;
  Offset record;
  uint16_t kind = 0;
  int64_t received_ms = 0;
  std::string reason;
  uint64_t attempts = 0;  // replays that failed
};
// Entries of one task (or of all, where it is empty) with offset >= from, by offset and task; at
// most `limit`.
base::Result<std::vector<QuarantineEntry>> ListQuarantine(store::Connection& connection,
                                                          std::string_view task, Offset from,
                                                          size_t limit);
struct QuarantinedRecord {
  QuarantineEntry entry;
  std::string head, body;
};
// kNotFound: it is not in quarantine.
base::Result<QuarantinedRecord> ReadQuarantined(store::Connection& connection,
                                                std::string_view task, Offset record);

// --- Reports ---

struct ReportFilter {
  std::string study_id;
  std::optional<std::string> patient_id, site_id;
};
struct ReportRow {
  Offset record;
  std::string report_id, patient_id, site_id, instrument;
  int64_t received_ms = 0;
  std::optional<int64_t> authored_ms;
};
struct ReportPage {
  std::vector<ReportRow> rows;   // newest first
  std::optional<Offset> before;  // what to ask for the next page with; nullopt: there is none
};
// Reports that the diary has, older than `before`, at most `limit`; a page of a patient at one site
// may hold fewer and still have a next one. kInvalidArgument: `before` is no offset that a page
// gave.
base::Result<ReportPage> ListReports(store::Connection& connection, const ReportFilter& filter,
                                     std::optional<Offset> before, size_t limit);

struct CleansedItem {
  std::string item, original;  // original: JSON, as it was sent
  std::optional<std::string> code, text;
  std::optional<double> number, score;
  std::string rules;  // with a space between
};
struct CleansedReport {
  int version = 0;         // of the cleansing rules
  std::string flags_json;  // [[rule, address], …]
  std::vector<CleansedItem> items;
};
// kNotFound: not cleansed (yet), or a conflict.
base::Result<CleansedReport> ReadCleansed(store::Connection& connection, Offset record);

struct Assessment {
  std::string instrument, definition, rules_version;  // definition: hash, hexadecimal
  std::optional<double> total;
  std::string band, level, reason, unscored_reason;
};
// kNotFound: not assessed (yet), or a conflict.
base::Result<Assessment> ReadAssessment(store::Connection& connection, Offset record);

struct ConflictRow {
  Offset record;
  std::string report_id, patient_id;
  std::optional<Offset> first;  // of the report that has the id
  int64_t received_ms = 0;
};
// With offset >= from, at most `limit`.
base::Result<std::vector<ConflictRow>> ListConflicts(store::Connection& connection,
                                                     std::string_view study_id, Offset from,
                                                     size_t limit);

// --- Analytics ---

struct AnalyticsFilter {
  std::string study_id;
  std::optional<std::string> site_id, instrument;
  int64_t first_day = INT64_MIN, last_day = INT64_MAX;  // days since 1970-01-01, UTC, inclusive
};
struct AnalyticsRow {
  int64_t day = 0;
  std::string site_id, instrument;
  Tally tally;
};
// By day, site and instrument; at most `limit`, from the row after `after` (day, site, instrument).
struct AnalyticsPosition {
  int64_t day = INT64_MIN;
  std::string site_id, instrument;
};
base::Result<std::vector<AnalyticsRow>> ListAnalytics(store::Connection& connection,
                                                      const AnalyticsFilter& filter,
                                                      const std::optional<AnalyticsPosition>& after,
                                                      size_t limit);

// "2026-11-24" and back. ParseDay: nullopt for anything else.
std::string FormatDay(int64_t day);
std::optional<int64_t> ParseDay(std::string_view text);

// --- Diary ---

struct DiaryDay {
  int64_t day = 0;  // authored, or else received; UTC
  uint64_t reports = 0;
};
struct PatientDiary {
  uint64_t reports = 0;
  std::optional<ReportRow> last;
  std::vector<DiaryDay> days;  // newest first, of the newest kDiaryReportsMax reports
};
inline constexpr size_t kDiaryReportsMax = 1000;
// A patient who never reported has an empty diary.
base::Result<PatientDiary> ReadDiary(store::Connection& connection, std::string_view study_id,
                                     std::string_view patient_id);

// How often a study expects a report: so many in every period of so many days.
struct Schedule {
  uint32_t reports = 0;
  uint32_t period_days = 1;
};
struct Adherence {
  uint64_t expected = 0;
  uint64_t received = 0;  // no more in a period than was expected
  // received / expected; nullopt: nothing was expected.
  std::optional<double> ratio() const {
    if (expected == 0) return std::nullopt;
    return static_cast<double>(received) / static_cast<double>(expected);
  }
};
// Over the days first_day to last_day, inclusive; periods count from first_day, the last one in
// part.
Adherence MeasureAdherence(const std::vector<DiaryDay>& days, const Schedule& schedule,
                           int64_t first_day, int64_t last_day);

}  // namespace weir::epro

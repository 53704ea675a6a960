#include <algorithm>

#include "base/json_writer.h"
#include "net/router.h"
#include "security/replies.h"
#include "services/epro/api.h"
#include "services/epro/export_feed.h"
#include "services/epro/queries.h"

namespace weir::epro {
namespace {

using security::Asked;
using security::Call;

constexpr size_t kAnalyticsRowsMax = 10'000;
constexpr int64_t kDayMs = 86'400'000;

void WriteTally(base::JsonWriter& json, const Tally& tally) {
  json.Key("received").Number(tally.received);
  json.Key("late").Number(tally.late);
  json.Key("scored").Number(tally.scored);
  json.Key("bands").BeginObject();
  for (const auto& [band, count] : tally.bands) json.Key(band).Number(count);
  json.EndObject();
  if (const auto median = tally.Median()) json.Key("median").Number(*median);
  if (const auto p95 = tally.P95()) json.Key("p95").Number(*p95);
}

tl::expected<AnalyticsFilter, security::Invalid> ParseAnalytics(const Call& call) {
  const std::string_view query = call.request.query;
  AnalyticsFilter filter;
  filter.study_id = call.params[0];
  filter.site_id = net::QueryParam(query, "site");
  filter.instrument = net::QueryParam(query, "instrument");
  for (const auto& [name, to] :
       {std::pair{"from", &filter.first_day}, std::pair{"to", &filter.last_day}}) {
    const auto text = net::QueryParam(query, name);
    if (!text) continue;
    const auto day = ParseDay(*text);
    if (!day) return tl::unexpected(security::Invalid{name, "must be a day, as 2026-11-24"});
    *to = *day;
  }
  return filter;
}

net::Reply AnalyticsReply(store::Connection& reader, const AnalyticsFilter& filter,
                          const Asked& asked) {
  const auto rows = ListAnalytics(reader, filter, std::nullopt, kAnalyticsRowsMax + 1);
  if (!rows) return security::FromError(rows.error(), asked.trace_id);
  if (rows->size() > kAnalyticsRowsMax) {
    return security::InvalidRequest(
        "from",
        "and to must enclose fewer days: more than " + std::to_string(kAnalyticsRowsMax) + " rows",
        asked.trace_id);
  }
  Tally total;
  for (const AnalyticsRow& row : *rows) total.Merge(row.tally);
  net::Reply reply;
  base::JsonWriter json(reply.body);
  json.BeginObject().Key("study_id").String(filter.study_id);
  WriteTally(json, total);
  json.Key("days").BeginArray();
  for (const AnalyticsRow& row : *rows) {
    json.BeginObject().Key("day").String(FormatDay(row.day));
    if (!row.site_id.empty()) json.Key("site_id").String(row.site_id);
    if (!row.instrument.empty()) json.Key("instrument").String(row.instrument);
    WriteTally(json, row.tally);
    json.EndObject();
  }
  json.EndArray().EndObject();
  return reply;
}

void WriteAdherence(base::JsonWriter& json, const PatientDiary& diary, const ScheduleOf& schedules,
                    const std::string& study, int64_t today) {
  const auto schedule = schedules(study);
  if (!schedule || diary.days.empty()) return;
  const int64_t first = schedule->first_day.value_or(diary.days.back().day);
  const int64_t last = std::min(today, schedule->days > 0 ? first + schedule->days - 1 : today);
  const Adherence adherence = MeasureAdherence(diary.days, schedule->schedule, first, last);
  json.Key("adherence").BeginObject();
  json.Key("from").String(FormatDay(first)).Key("to").String(FormatDay(last));
  json.Key("expected").Number(adherence.expected).Key("received").Number(adherence.received);
  if (const auto ratio = adherence.ratio()) json.Key("ratio").Number(*ratio);
  json.EndObject();
}

net::Reply DiaryReply(const ApiParts& parts, const std::string& study, const std::string& patient,
                      const Asked& asked) {
  const auto reader = parts.readers.Borrow(asked.deadline_ns);
  const auto diary = ReadDiary(*reader, study, patient);
  if (!diary) return security::FromError(diary.error(), asked.trace_id);
  if (diary->reports == 0) {
    return net::Problem(404, "not-found", "no report of this patient has been applied",
                        asked.trace_id);
  }
  net::Reply reply;
  base::JsonWriter json(reply.body);
  json.BeginObject().Key("study_id").String(study).Key("patient_id").String(patient);
  json.Key("reports").Number(diary->reports);
  if (diary->last) {
    json.Key("last").BeginObject().Key("report_id").String(diary->last->report_id);
    json.Key("received_at").Time(diary->last->received_ms);
    if (diary->last->authored_ms) json.Key("authored_at").Time(*diary->last->authored_ms);
    json.EndObject();
  }
  json.Key("days").BeginArray();
  for (const DiaryDay& day : diary->days) {
    json.BeginObject().Key("day").String(FormatDay(day.day)).Key("reports").Number(day.reports);
    json.EndObject();
  }
  json.EndArray();
  WriteAdherence(json, *diary, parts.schedules, study, parts.clock.WallMs() / kDayMs);
  json.EndObject();
  return reply;
}

net::Reply ConflictsReply(const ApiParts& parts, const std::string& study, base::Offset from,
                          size_t limit, const Asked& asked) {
  const auto reader = parts.readers.Borrow(asked.deadline_ns);
  const auto rows = ListConflicts(*reader, study, from, limit);
  if (!rows) return security::FromError(rows.error(), asked.trace_id);
  net::Reply reply;
  base::JsonWriter json(reply.body);
  json.BeginObject().Key("conflicts").BeginArray();
  for (const ConflictRow& row : *rows) {
    json.BeginObject().Key("study_id").String(study).Key("report_id").String(row.report_id);
    json.Key("patient_id").String(row.patient_id).Key("received_at").Time(row.received_ms);
    if (row.first) json.Key("first_offset").Number(row.first->value());
    if (const auto record = parts.journal.ReadOne(row.record)) {
      json.Key("receipt").BeginObject().Key("offset").Number(row.record.value());
      json.Key("sha256").String(record->sha256.hex()).EndObject();
      json.Key("report").Raw(record->body);
    }
    json.EndObject();
  }
  json.EndArray();
  if (rows->size() == limit) {
    json.Key("next").String("/api/v1/studies/" + net::PercentEncode(study) +
                            "/conflicts?limit=" + std::to_string(limit) +
                            "&from=" + std::to_string(rows->back().record.value() + 1));
  }
  json.EndObject();
  return reply;
}

void Refuse(const Call& call, const security::Invalid& invalid) {
  net::Respond(call.loop, call.request.ticket, security::InvalidRequest(invalid, call.trace_id));
}

void HandleAnalytics(const ApiParts& parts, const Call& call) {
  auto filter = ParseAnalytics(call);
  if (!filter) return Refuse(call, filter.error());
  // Counts, nothing of one patient: no entry in the audit trail.
  net::Offload(parts.helpers, security::AskerOf(call),
               [parts, asked = Asked(call), filter = std::move(*filter)] {
                 const auto reader = parts.readers.Borrow(asked.deadline_ns);
                 return AnalyticsReply(*reader, filter, asked);
               });
}

void HandleDiary(const ApiParts& parts, const Call& call) {
  net::Offload(parts.helpers, security::AskerOf(call),
               [parts, asked = Asked(call), study = call.params[0], patient = call.params[1]] {
                 return security::Audited(parts.audit, asked, "read", study, patient,
                                          [&] { return DiaryReply(parts, study, patient, asked); });
               });
}

void HandleConflicts(const ApiParts& parts, const Call& call) {
  const auto limit = security::QueryNumber(call.request.query, "limit", 1, kPageMax, 100);
  const auto from = security::QueryNumber(call.request.query, "from", 0, UINT64_MAX, 0);
  if (!limit) return Refuse(call, limit.error());
  if (!from) return Refuse(call, from.error());
  net::Offload(parts.helpers, security::AskerOf(call),
               [parts, asked = Asked(call), study = call.params[0], limit = *limit, from = *from] {
                 return security::Audited(parts.audit, asked, "list", study, "conflicts", [&] {
                   return ConflictsReply(parts, study, base::Offset(from), limit, asked);
                 });
               });
}

// Opens the export on a helper, then streams it from the loop. A table may take longer than other
// answers: only a deadline that the caller has given ends it.
void OpenExport(const ApiParts& parts, net::Loop& loop, net::Ticket ticket, const Asked& asked,
                const std::string& study, const std::string& table_name,
                std::optional<base::Offset> at, int64_t deadline_ns) {
  const auto table = ParseExportTable(table_name);
  net::Reply refusal;
  std::shared_ptr<Export> opened;
  if (!table) {
    refusal = security::InvalidRequest("table", "is reports, items or scores", asked.trace_id);
  } else {
    refusal =
        security::Audited(parts.audit, asked, "export", study, table_name, [&]() -> net::Reply {
          const auto reader = parts.readers.Borrow(asked.deadline_ns);
          auto result = Export::Open(*reader, study, *table, at);
          if (result) {
            opened = std::make_shared<Export>(std::move(*result));
            return {};
          }
          if (result.error().code != base::ErrorCode::kUnavailable) {
            return security::FromError(result.error(), asked.trace_id);
          }
          return net::Problem(409, "not-yet-applied", result.error().message, asked.trace_id);
        });
  }
  loop.Post([parts, &loop, ticket, opened, refusal = std::move(refusal), table_name, deadline_ns] {
    if (!opened) return net::Respond(loop, ticket, refusal);
    ExportFeed::Start(loop, ticket, parts.helpers, parts.readers, table_name + ".csv",
                      std::move(*opened), deadline_ns);
  });
}

void HandleExport(const ApiParts& parts, const Call& call) {
  const std::string table = net::QueryParam(call.request.query, "table").value_or("");
  const auto at = security::QueryNumber(call.request.query, "at", 0, UINT64_MAX - 1, UINT64_MAX);
  if (!at) return Refuse(call, at.error());
  std::optional<base::Offset> cut;
  if (*at != UINT64_MAX) cut = base::Offset(*at);
  const bool taken =
      parts.helpers.TrySubmit([parts, &loop = call.loop, ticket = call.request.ticket,
                               asked = Asked(call), study = call.params[0], table, cut,
                               deadline_ns = call.deadline_given ? call.deadline_ns : 0] {
        OpenExport(parts, loop, ticket, asked, study, table, cut, deadline_ns);
      });
  if (taken) return;
  net::Respond(
      call.loop, call.request.ticket,
      security::FromError({base::ErrorCode::kBacklogFull, "too many requests wait for the disk"},
                          call.trace_id));
}

}  // namespace

std::vector<security::Route> StudyRoutes(const ApiParts& parts) {
  using security::Scope;
  const auto bind = [parts](void (*handle)(const ApiParts&, const Call&)) {
    return [parts, handle](const Call& call) { handle(parts, call); };
  };
  return {
      {net::Method::kGet,
       "/api/v1/studies/{study}/analytics",
       Scope::kRead,
       0,
       bind(HandleAnalytics),
       {}},
      {net::Method::kGet,
       "/api/v1/studies/{study}/patients/{patient}/diary",
       Scope::kRead,
       0,
       bind(HandleDiary),
       {}},
      {net::Method::kGet,
       "/api/v1/studies/{study}/conflicts",
       Scope::kRead,
       0,
       bind(HandleConflicts),
       {}},
      {net::Method::kGet,
       "/api/v1/studies/{study}/export",
       Scope::kRead,
       0,
       bind(HandleExport),
       {},
       guard::Criticality::kExport},
  };
}

}  // namespace weir::epro

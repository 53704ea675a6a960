#include <algorithm>

#include "base/json_writer.h"
#include "net/router.h"
#include "security/replies.h"
#include "services/epro/api.h"
#include "services/epro/queries.h"
#include "wire/envelope.h"

namespace weir::epro {
namespace {

using security::Asked;
using security::Call;

// What one request may read of the journal: a page may then be short, and has a next one.
constexpr size_t kScanRecordsMax = 20'000;
constexpr size_t kScanStep = 2'000;
constexpr size_t kScanStepBytes = 4u << 20;
constexpr size_t kPageBytesMax = 8u << 20;

// Loose JSON can hold no more than the body did; a body is one JSON object, checked at intake.
void WriteReport(base::JsonWriter& json, const journal::RecordView& record,
                 const wire::ReportHead& head, const std::vector<MarkedTask>& marks) {
  json.Key("study_id").String(head.study_id);
  json.Key("report_id").String(head.report_id);
  json.Key("patient_id").String(head.patient_id);
  json.Key("received_at").Time(record.time_ms);
  json.Key("receipt").BeginObject();
  json.Key("offset").Number(record.offset.value());
  json.Key("sha256").String(record.sha256.hex());
  json.EndObject();
  json.Key("report").Raw(record.body);
  json.Key("tasks").BeginObject();
  for (const MarkedTask& mark : marks) json.Key(mark.task).String(Name(mark.mark));
  json.EndObject();
}

void WriteOptional(base::JsonWriter& json, std::string_view key,
                   const std::optional<std::string>& value) {
  if (value) json.Key(key).String(*value);
}
void WriteOptional(base::JsonWriter& json, std::string_view key,
                   const std::optional<double>& value) {
  if (value) json.Key(key).Number(*value);
}
void WriteGiven(base::JsonWriter& json, std::string_view key, std::string_view value) {
  if (!value.empty()) json.Key(key).String(value);
}

void WriteCleansed(base::JsonWriter& json, const CleansedReport& cleansed) {
  json.Key("cleansed").BeginObject();
  json.Key("version").Number(cleansed.version);
  json.Key("flags").Raw(cleansed.flags_json);
  json.Key("items").BeginArray();
  for (const CleansedItem& item : cleansed.items) {
    json.BeginObject().Key("item").String(item.item);
    if (!item.original.empty()) json.Key("original").Raw(item.original);
    WriteOptional(json, "code", item.code);
    WriteOptional(json, "number", item.number);
    WriteOptional(json, "text", item.text);
    WriteOptional(json, "score", item.score);
    WriteGiven(json, "rules", item.rules);
    json.EndObject();
  }
  json.EndArray().EndObject();
}

void WriteAssessment(base::JsonWriter& json, const Assessment& assessment) {
  json.Key("assessment").BeginObject();
  WriteGiven(json, "instrument", assessment.instrument);
  WriteGiven(json, "definition", assessment.definition);
  WriteGiven(json, "rules_version", assessment.rules_version);
  WriteOptional(json, "total", assessment.total);
  WriteGiven(json, "band", assessment.band);
  WriteGiven(json, "level", assessment.level);
  WriteGiven(json, "reason", assessment.reason);
  WriteGiven(json, "unscored_reason", assessment.unscored_reason);
  json.EndObject();
}

net::Reply ReportReply(const ApiParts& parts, const std::string& study,
                       const std::string& report_id, const Asked& asked) {
  const auto bodies = parts.journal.Find(wire::ReportKey(study, report_id));
  if (!bodies) return security::FromError(bodies.error(), asked.trace_id);
  if (bodies->empty()) {
    return net::Problem(404, "not-found", "no report is stored under this id in this study",
                        asked.trace_id);
  }
  const auto record = parts.journal.ReadOne(bodies->front().offset);
  if (!record) return security::FromError(record.error(), asked.trace_id);
  const auto head = wire::DecodeReport(record->head);
  if (!head) return security::FromError(head.error(), asked.trace_id);
  const auto reader = parts.readers.Borrow(asked.deadline_ns);
  const auto marks = TaskMarks(*reader, record->offset, record->flags);
  if (!marks) return security::FromError(marks.error(), asked.trace_id);
  net::Reply reply;
  base::JsonWriter json(reply.body);
  json.BeginObject();
  WriteReport(json, record->view(), *head, *marks);
  if (const auto cleansed = ReadCleansed(*reader, record->offset)) WriteCleansed(json, *cleansed);
  if (const auto assessed = ReadAssessment(*reader, record->offset)) {
    WriteAssessment(json, *assessed);
  }
  json.EndObject();
  return reply;
}

// A page of a list, newest first: what the diary has not reached yet comes out of the journal, the
// rest out of the store.
class ListPage {
 public:
  ListPage(const ApiParts& parts, ReportFilter filter, size_t limit, base::Offset before)
      : parts_(parts), filter_(std::move(filter)), limit_(limit), position_(before) {}

  base::Status Fill(store::Connection& reader, base::Offset applied) {
    position_ = std::min(position_, parts_.journal.durable_end());
    while (!Full() && position_ > applied && scanned_ < kScanRecordsMax) {
      WEIR_RETURN_IF_ERROR(ScanJournal(reader, applied));
    }
    if (Full() || position_ > applied) return {};
    return ReadStore(reader);
  }

  const std::string& rows() const { return rows_; }
  // Where the next page begins; nullopt: there is none.
  std::optional<base::Offset> next() const {
    return done_ ? std::nullopt : std::optional(position_);
  }

 private:
  bool Full() const { return count_ >= limit_ || rows_.size() >= kPageBytesMax; }

  base::Status Add(store::Connection& reader, const journal::RecordView& record,
                   const wire::ReportHead& head) {
    WEIR_ASSIGN_OR_RETURN(const auto marks, TaskMarks(reader, record.offset, record.flags));
    if (count_ > 0) rows_ += ',';
    base::JsonWriter json(rows_);
    json.BeginObject();
    WriteReport(json, record, head, marks);
    json.EndObject();
    ++count_;
    return {};
  }

  bool Wanted(const journal::RecordView& record, const wire::ReportHead& head) const {
    return !(record.flags & journal::kConflicting) && head.study_id == filter_.study_id &&
           (!filter_.patient_id || head.patient_id == *filter_.patient_id) &&
           (!filter_.site_id || head.site_id == *filter_.site_id);
  }

  base::Status ScanJournal(store::Connection& reader, base::Offset applied) {
    const uint64_t unread = position_ - applied;
    const base::Offset from(position_.value() - std::min<uint64_t>(unread, kScanStep));
    // The step is read whole, so that its newest records are at hand first.
    std::vector<journal::Block> blocks;
    for (base::Offset at = from; at < position_;) {
      journal::Block& block = blocks.emplace_back();
      WEIR_RETURN_IF_ERROR(parts_.journal.Read(at, position_ - at, kScanStepBytes, &block));
      if (block.records.empty()) break;
      at = block.records.back().offset + 1;
      scanned_ += block.records.size();
    }
    for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
      for (auto record = block->records.rbegin(); record != block->records.rend(); ++record) {
        if (record->kind != static_cast<uint16_t>(wire::Kind::kReport)) continue;
        const auto head = wire::DecodeReport(record->head);
        if (!head || !Wanted(*record, *head)) continue;
        if (Full()) return {};
        WEIR_RETURN_IF_ERROR(Add(reader, *record, *head));
        position_ = record->offset;
      }
    }
    position_ = from;
    return {};
  }

  // The page of the store that goes on below position_: from the row there, if it has one, else
  // from the newest, passing over what was listed out of the journal.
  base::Result<ReportPage> StorePage(store::Connection& reader,
                                     std::optional<base::Offset> before) {
    auto page = ListReports(reader, filter_, before, limit_ - count_);
    if (page || page.error().code != base::ErrorCode::kInvalidArgument) return page;
    return ListReports(reader, filter_, std::nullopt, limit_ - count_);
  }

  base::Status ReadStore(store::Connection& reader) {
    std::optional<base::Offset> before = position_;
    while (!Full()) {
      WEIR_ASSIGN_OR_RETURN(const ReportPage page, StorePage(reader, before));
      for (const ReportRow& row : page.rows) {
        if (row.record >= position_) continue;  // applied since, and listed
        auto record = parts_.journal.ReadOne(row.record);
        if (!record && record.error().code != base::ErrorCode::kNotFound) {
          return base::Fail(record.error());
        }
        if (record) {  // else archived: its rows remain, its bytes are elsewhere
          WEIR_ASSIGN_OR_RETURN(const auto head, wire::DecodeReport(record->head));
          WEIR_RETURN_IF_ERROR(Add(reader, record->view(), head));
        }
        position_ = row.record;
        if (Full()) break;
      }
      if (!page.before) {
        done_ = page.rows.empty() || position_ <= page.rows.back().record;
        return {};
      }
      before = page.before;
    }
    return {};
  }

  const ApiParts& parts_;
  const ReportFilter filter_;
  const size_t limit_;
  base::Offset position_;  // everything at or above it is listed already
  size_t scanned_ = 0;
  size_t count_ = 0;
  bool done_ = false;
  std::string rows_;
};

net::Reply ListReply(const ApiParts& parts, const ReportFilter& filter, size_t limit,
                     base::Offset before, const Asked& asked) {
  const auto reader = parts.readers.Borrow(asked.deadline_ns);
  base::Offset applied;
  for (const tasks::TaskStatus& task : parts.engine.status()) {
    if (task.name == "diary") applied = task.cursor;
  }
  ListPage page(parts, filter, limit, before);
  if (auto filled = page.Fill(*reader, applied); !filled) {
    return security::FromError(filled.error(), asked.trace_id);
  }
  net::Reply reply;
  base::JsonWriter json(reply.body);
  json.BeginObject().Key("reports").BeginArray();
  if (!page.rows().empty()) json.Raw(page.rows());
  json.EndArray();
  if (const auto next = page.next()) {
    std::string path = "/api/v1/reports?study=" + net::PercentEncode(filter.study_id);
    if (filter.patient_id) path += "&patient=" + net::PercentEncode(*filter.patient_id);
    if (filter.site_id) path += "&site=" + net::PercentEncode(*filter.site_id);
    path += "&limit=" + std::to_string(limit) + "&before=" + std::to_string(next->value());
    json.Key("next").String(path);
  }
  json.EndObject();
  return reply;
}

void HandleGet(const ApiParts& parts, const Call& call) {
  net::Offload(parts.helpers, security::AskerOf(call),
               [parts, asked = Asked(call), study = call.params[0], id = call.params[1]] {
                 return security::Audited(parts.audit, asked, "read", study, id,
                                          [&] { return ReportReply(parts, study, id, asked); });
               });
}

void HandleList(const ApiParts& parts, const Call& call) {
  const std::string_view query = call.request.query;
  const auto refuse = [&](const net::Reply& reply) {
    net::Respond(call.loop, call.request.ticket, reply);
  };
  ReportFilter filter;
  filter.study_id = net::QueryParam(query, "study").value_or("");
  filter.patient_id = net::QueryParam(query, "patient");
  filter.site_id = net::QueryParam(query, "site");
  if (filter.study_id.empty()) {
    return refuse(security::InvalidRequest("study", "is missing from the query", call.trace_id));
  }
  if (!call.identity.Allows(security::Scope::kRead, filter.study_id)) {
    return refuse(
        net::Problem(403, "forbidden", "this token may not read this study", call.trace_id));
  }
  const auto limit = security::QueryNumber(query, "limit", 1, kPageMax, 100);
  const auto before = security::QueryNumber(query, "before", 0, UINT64_MAX, UINT64_MAX);
  if (!limit) return refuse(security::InvalidRequest(limit.error(), call.trace_id));
  if (!before) return refuse(security::InvalidRequest(before.error(), call.trace_id));
  net::Offload(
      parts.helpers, security::AskerOf(call),
      [parts, asked = Asked(call), filter, limit = *limit, before = base::Offset(*before)] {
        return security::Audited(parts.audit, asked, "list", filter.study_id,
                                 filter.patient_id.value_or(filter.site_id.value_or("")),
                                 [&] { return ListReply(parts, filter, limit, before, asked); });
      });
}

}  // namespace

std::vector<security::Route> ReportRoutes(const ApiParts& parts) {
  using security::Scope;
  const auto bind = [parts](void (*handle)(const ApiParts&, const Call&)) {
    return [parts, handle](const Call& call) { handle(parts, call); };
  };
  return {
      {net::Method::kGet, "/api/v1/reports", Scope::kRead, -1, bind(HandleList), {}},
      {net::Method::kGet,
       "/api/v1/reports/{study}/{report_id}",
       Scope::kRead,
       0,
       bind(HandleGet),
       {}},
  };
}

}  // namespace weir::epro

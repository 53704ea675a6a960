#include <simdjson.h>

#include <algorithm>

#include "base/json_writer.h"
#include "net/router.h"
#include "security/replies.h"
#include "services/epro/api.h"
#include "services/epro/effects.h"
#include "services/epro/queries.h"
#include "wire/envelope.h"

namespace weir::epro {
namespace {

using security::Asked;
using security::Call;

bool IsTask(std::string_view name) { return std::ranges::count(kTaskNames, name) > 0; }

net::Reply UnknownTask(std::string_view trace_id) {
  return net::Problem(404, "not-found",
                      "the tasks are cleanse, assess, alert, analytics, research and diary",
                      trace_id);
}

void HandleList(const ApiParts& parts, const Call& call) {
  std::string body;
  base::JsonWriter json(body);
  json.BeginObject().Key("tasks").BeginArray();
  for (const tasks::TaskStatus& task : parts.engine.status()) {
    json.BeginObject().Key("name").String(task.name).Key("state").String(tasks::Name(task.state));
    json.Key("cursor").Number(task.cursor.value()).Key("lag").Number(task.lag);
    json.Key("quarantined").Number(task.quarantined);
    if (!task.reason.empty()) json.Key("reason").String(task.reason);
    json.EndObject();
  }
  json.EndArray().EndObject();
  call.loop.Respond(call.request.ticket, {.body = body});
}

// Journals an operator's order; it takes effect when the express lane comes to it.
net::Reply Order(const ApiParts& parts, wire::Kind kind, std::string_view head,
                 std::string_view trace_id) {
  journal::RecordHeader header;
  header.kind = static_cast<uint16_t>(kind);
  header.flags = journal::kControl;
  header.time_ms = parts.clock.WallMs();
  header.sha256 = base::Sha256({});
  const auto appended = parts.journal.AppendAndWait(header, head, {});
  if (appended.outcome == journal::Outcome::kNoSpace) {
    return security::FromError({base::ErrorCode::kNoSpace, "the disk is full"}, trace_id);
  }
  if (appended.outcome != journal::Outcome::kStored) {
    return security::FromError({base::ErrorCode::kStopped, "the journal has stopped"}, trace_id);
  }
  net::Reply reply;
  reply.status = 202;
  base::JsonWriter(reply.body)
      .BeginObject()
      .Key("offset")
      .Number(appended.offset.value())
      .EndObject();
  return reply;
}

void HandleState(const ApiParts& parts, const Call& call, bool paused) {
  net::Offload(parts.helpers, security::AskerOf(call),
               [parts, asked = Asked(call), task = call.params[0], paused] {
                 if (!IsTask(task)) return UnknownTask(asked.trace_id);
                 return security::Audited(
                     parts.audit, asked, paused ? "pause" : "resume", {}, task, [&] {
                       return Order(parts, wire::Kind::kTaskState,
                                    wire::Encode(wire::TaskStateHead{task, paused, asked.actor}),
                                    asked.trace_id);
                     });
               });
}

void HandleReplay(const ApiParts& parts, const Call& call) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  uint64_t offset = 0;
  if (parser.parse(call.request.body.data(), call.request.body.size()).get(root) ||
      root["offset"].get(offset)) {
    return net::Respond(
        call.loop, call.request.ticket,
        security::InvalidRequest("offset", "must be the number of a record", call.trace_id));
  }
  net::Offload(parts.helpers, security::AskerOf(call),
               [parts, asked = Asked(call), task = call.params[0], record = base::Offset(offset)] {
                 if (!IsTask(task)) return UnknownTask(asked.trace_id);
                 {
                   const auto reader = parts.readers.Borrow(asked.deadline_ns);
                   const auto entry = ReadQuarantined(*reader, task, record);
                   if (!entry) return security::FromError(entry.error(), asked.trace_id);
                 }
                 return security::Audited(
                     parts.audit, asked, "replay", {}, task + "/" + std::to_string(record.value()),
                     [&] {
                       return Order(parts, wire::Kind::kReplay,
                                    wire::Encode(wire::ReplayHead{task, record, asked.actor}),
                                    asked.trace_id);
                     });
               });
}

net::Reply QuarantineReply(store::Connection& reader, const std::string& task, base::Offset from,
                           size_t limit, const Asked& asked) {
  auto entries = ListQuarantine(reader, task, from, limit);
  if (!entries) return security::FromError(entries.error(), asked.trace_id);
  // A page ends between two records, so that the next one begins with a record's first task.
  std::optional<base::Offset> next;
  if (entries->size() == limit) {
    next = entries->back().record;
    std::erase_if(*entries, [&](const auto& entry) { return entry.record == *next; });
  }
  net::Reply reply;
  base::JsonWriter json(reply.body);
  json.BeginObject().Key("quarantine").BeginArray();
  for (const QuarantineEntry& entry : *entries) {
    json.BeginObject().Key("task").String(entry.task).Key("offset").Number(entry.record.value());
    json.Key("kind").String(wire::Name(static_cast<wire::Kind>(entry.kind)));
    json.Key("received_at").Time(entry.received_ms).Key("reason").String(entry.reason);
    json.Key("attempts").Number(entry.attempts);
    if (const auto record = ReadQuarantined(reader, entry.task, entry.record)) {
      json.Key("body").String(record->body);
    }
    json.EndObject();
  }
  json.EndArray();
  if (next) {
    std::string path = "/api/v1/tasks/quarantine?limit=" + std::to_string(limit);
    if (!task.empty()) path += "&task=" + task;
    json.Key("next").String(path + "&from=" + std::to_string(next->value()));
  }
  json.EndObject();
  return reply;
}

void HandleQuarantine(const ApiParts& parts, const Call& call) {
  const std::string task = net::QueryParam(call.request.query, "task").value_or("");
  const auto limit =
      security::QueryNumber(call.request.query, "limit", std::size(kTaskNames) + 1, kPageMax, 100);
  const auto from = security::QueryNumber(call.request.query, "from", 0, UINT64_MAX, 0);
  for (const auto* number : {&limit, &from}) {
    if (!*number) {
      return net::Respond(call.loop, call.request.ticket,
                          security::InvalidRequest(number->error(), call.trace_id));
    }
  }
  net::Offload(parts.helpers, security::AskerOf(call),
               [parts, asked = Asked(call), task, limit = *limit, from = *from] {
                 if (!task.empty() && !IsTask(task)) return UnknownTask(asked.trace_id);
                 return security::Audited(parts.audit, asked, "list", {}, task, [&] {
                   const auto reader = parts.readers.Borrow(asked.deadline_ns);
                   return QuarantineReply(*reader, task, base::Offset(from), limit, asked);
                 });
               });
}

}  // namespace

std::vector<security::Route> TaskRoutes(const ApiParts& parts) {
  using security::Scope;
  constexpr auto kUrgent = guard::Criticality::kUrgent;
  constexpr int kAll = security::Route::kAllStudies;
  const auto pause = [parts](const Call& call) { HandleState(parts, call, true); };
  const auto resume = [parts](const Call& call) { HandleState(parts, call, false); };
  const auto bind = [parts](void (*handle)(const ApiParts&, const Call&)) {
    return [parts, handle](const Call& call) { handle(parts, call); };
  };
  return {
      {net::Method::kGet, "/api/v1/tasks", Scope::kOperate, -1, bind(HandleList), {}, kUrgent},
      {net::Method::kGet,
       "/api/v1/tasks/quarantine",
       Scope::kOperate,
       kAll,
       bind(HandleQuarantine),
       {},
       kUrgent},
      {net::Method::kPost,
       "/api/v1/tasks/{task}/replay",
       Scope::kOperate,
       kAll,
       bind(HandleReplay),
       {},
       kUrgent},
      {net::Method::kPost, "/api/v1/tasks/{task}/pause", Scope::kOperate, kAll, pause, {}, kUrgent},
      {net::Method::kPost,
       "/api/v1/tasks/{task}/resume",
       Scope::kOperate,
       kAll,
       resume,
       {},
       kUrgent},
  };
}

}  // namespace weir::epro

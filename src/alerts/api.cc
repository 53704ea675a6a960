#include "alerts/api.h"

#include <simdjson.h>

#include <memory>

#include "alerts/event_feed.h"
#include "base/json_writer.h"
#include "net/router.h"
#include "security/replies.h"
#include "security/standing.h"

namespace weir::alerts {
namespace {

using security::Asked;
using security::Call;
using security::Invalid;

StudyScope ScopeOf(const security::Identity& identity) {
  return {.all = identity.all_studies(), .studies = identity.studies};
}

tl::expected<AlertQuery, Invalid> ParseQuery(const Call& call) {
  const std::string_view text = call.request.query;
  AlertQuery query;
  query.scope = ScopeOf(call.identity);
  query.study_id = net::QueryParam(text, "study").value_or("");
  query.site_id = net::QueryParam(text, "site").value_or("");
  query.patient_id = net::QueryParam(text, "patient").value_or("");
  if (const auto state = net::QueryParam(text, "state")) {
    query.state = ParseState(*state);
    if (!query.state) {
      return tl::unexpected(Invalid{"state", "must be open, acknowledged or escalated"});
    }
  }
  if (const auto level = net::QueryParam(text, "level")) {
    query.level = ParseLevel(*level);
    if (!query.level) {
      return tl::unexpected(Invalid{"level", "must be urgent or elevated"});
    }
  }
  const auto limit = security::QueryNumber(text, "limit", 1, kPageMax, 100);
  if (!limit) return tl::unexpected(limit.error());
  query.limit = *limit;
  const auto before = security::QueryNumber(text, "before", 0, UINT64_MAX, UINT64_MAX);
  if (!before) return tl::unexpected(before.error());
  if (*before != UINT64_MAX) query.before = Offset(*before);
  return query;
}

// The path of the page after this one: the same question, further back.
std::string NextPath(const AlertQuery& query, Offset before) {
  std::string path = "/api/v1/alerts?limit=" + std::to_string(query.limit);
  const auto add = [&path](std::string_view name, std::string_view value) {
    if (!value.empty()) path.append("&").append(name).append("=").append(net::PercentEncode(value));
  };
  add("study", query.study_id);
  add("site", query.site_id);
  add("patient", query.patient_id);
  if (query.state) add("state", Name(*query.state));
  if (query.level) add("level", Name(*query.level));
  add("before", std::to_string(before.value()));
  return path;
}

net::Reply ListReply(store::Connection& reader, const AlertQuery& query, const Asked& asked) {
  const auto page = List(reader, query);
  if (!page) return security::FromError(page.error(), asked.trace_id);
  net::Reply reply;
  base::JsonWriter json(reply.body);
  json.BeginObject().Key("alerts").BeginArray();
  for (const Alert& alert : page->alerts) json.Raw(ToJson(alert));
  json.EndArray();
  if (page->next) json.Key("next").String(NextPath(query, *page->next));
  json.EndObject();
  return reply;
}

net::Reply AlertReply(store::Connection& reader, const StudyScope& scope, Offset report,
                      const Asked& asked) {
  const auto alert = Get(reader, scope, report);
  if (!alert) return security::FromError(alert.error(), asked.trace_id);
  const auto deliveries = Deliveries(reader, report);
  if (!deliveries) return security::FromError(deliveries.error(), asked.trace_id);
  net::Reply reply;
  reply.body = ToJson(*alert, *deliveries);
  return reply;
}

// The note of `{"note": "…"}`; nullopt: there is none.
std::optional<std::string> ParseNote(std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view note;
  if (parser.parse(body.data(), body.size()).get(root) || root["note"].get(note)) {
    return std::nullopt;
  }
  return std::string(note);
}

void RefuseStudy(const Call& call) {
  net::Respond(call.loop, call.request.ticket,
               net::Problem(403, "forbidden", "this token may not read this study", call.trace_id));
}

void HandleList(const ApiParts& parts, const Call& call) {
  auto query = ParseQuery(call);
  if (!query) {
    return net::Respond(call.loop, call.request.ticket,
                        security::InvalidRequest(query.error(), call.trace_id));
  }
  if (!query->study_id.empty() && !query->scope.Allows(query->study_id)) return RefuseStudy(call);
  net::Offload(parts.helpers, security::AskerOf(call),
               [parts, asked = Asked(call), query = std::move(*query)] {
                 return security::Audited(
                     parts.audit, asked, "list", query.study_id, query.patient_id, [&] {
                       const auto reader = parts.readers.Borrow(asked.deadline_ns);
                       return ListReply(*reader, query, asked);
                     });
               });
}

void HandleGet(const ApiParts& parts, const Call& call) {
  net::Offload(parts.helpers, security::AskerOf(call),
               [parts, asked = Asked(call), id = call.params[0], scope = ScopeOf(call.identity)] {
                 const auto report = ParseAlertId(id);
                 if (!report) {
                   return net::Problem(404, "not-found", "there is no such alert", asked.trace_id);
                 }
                 return security::Audited(parts.audit, asked, "read", {}, id, [&] {
                   const auto reader = parts.readers.Borrow(asked.deadline_ns);
                   return AlertReply(*reader, scope, *report, asked);
                 });
               });
}

void HandleAcknowledge(const ApiParts& parts, const Call& call) {
  auto note = ParseNote(call.request.body);
  if (!note) {
    return net::Respond(
        call.loop, call.request.ticket,
        security::InvalidRequest("note", R"(is missing: send {"note": "what was done"})",
                                 call.trace_id));
  }
  net::Offload(parts.helpers, security::AskerOf(call),
               [parts, asked = Asked(call), id = call.params[0], scope = ScopeOf(call.identity),
                note = std::move(*note)]() -> net::Reply {
                 const auto reader = parts.readers.Borrow(asked.deadline_ns);
                 const auto acknowledged =
                     Acknowledge(parts.journal, *reader, parts.clock,
                                 {.scope = scope, .id = id, .actor = asked.actor, .note = note});
                 if (!acknowledged) {
                   const base::Error& error = acknowledged.error();
                   return error.code == base::ErrorCode::kInvalidArgument
                              ? security::InvalidRequest("note", error.message, asked.trace_id)
                              : security::FromError(error, asked.trace_id);
                 }
                 net::Reply reply;
                 reply.body = ToJson(acknowledged->alert);
                 return reply;
               });
}

void HandleStream(const ApiParts& parts, const Call& call) {
  SubscribeOptions options;
  options.scope = ScopeOf(call.identity);
  if (const auto study = net::QueryParam(call.request.query, "study")) {
    if (!options.scope.Allows(*study)) return RefuseStudy(call);
    options.scope = {.all = false, .studies = {*study}};
  }
  if (call.request.method == net::Method::kHead) {
    return EventFeed::RespondHead(call.loop, call.request.ticket);
  }
  // Nobody is kept from alerts by a full disk: of this read alone the entry is made if it can be.
  const bool taken = parts.helpers.TrySubmit([parts, asked = Asked(call)] {
    (void)parts.audit.Record({.actor = asked.actor,
                              .action = "follow",
                              .route = asked.route,
                              .trace_id = asked.trace_id});
  });
  (void)taken;
  options.last_event_id = ParseLastEventId(call.request.Find("Last-Event-ID"));
  const auto standing = std::make_shared<security::Standing>(
      parts.tokens, call.request.authorization, security::Scope::kAlerts);
  EventFeed::Start(
      parts.stream, call.loop, call.request.ticket, std::move(options),
      [standing, &clock = parts.clock] { return standing->Holds(clock.WallMs()); }, call.trace_id);
}

}  // namespace

std::vector<security::Route> ApiRoutes(const ApiParts& parts) {
  using security::Scope;
  constexpr auto kUrgent = guard::Criticality::kUrgent;
  const auto bind = [parts](void (*handle)(const ApiParts&, const Call&)) {
    return [parts, handle](const Call& call) { handle(parts, call); };
  };
  return {
      {net::Method::kGet, "/api/v1/alerts", Scope::kAlerts, -1, bind(HandleList), {}, kUrgent},
      {net::Method::kGet,
       "/api/v1/alerts/stream",
       Scope::kAlerts,
       -1,
       bind(HandleStream),
       {},
       kUrgent},
      {net::Method::kGet, "/api/v1/alerts/{id}", Scope::kAlerts, -1, bind(HandleGet), {}, kUrgent},
      {net::Method::kPost,
       "/api/v1/alerts/{id}/acknowledge",
       Scope::kAlerts,
       -1,
       bind(HandleAcknowledge),
       {},
       kUrgent},
  };
}

}  // namespace weir::alerts

#include "app/breakers_api.h"

#include <simdjson.h>

#include <optional>
#include <string>

#include "base/json_writer.h"
#include "net/problem.h"
#include "security/replies.h"

namespace weir::app {
namespace {

using security::Call;

void Write(base::JsonWriter& json, const guard::BreakerStatus& status, const base::Clock& clock) {
  const int64_t age_ms = (clock.SteadyNs() - status.since_ns) / 1'000'000;
  json.BeginObject().Key("name").String(status.name);
  json.Key("mode").String(status.on ? guard::Name(status.mode) : "off");
  json.Key("state").String(guard::Name(status.state));
  json.Key("forced").String(guard::Name(status.forced));
  json.Key("since").Time(clock.WallMs() - age_ms);
  json.Key("opened").Number(status.opened).Key("rejected").Number(status.rejected);
  json.Key("calls").BeginObject().Key("succeeded").Number(status.succeeded);
  json.Key("failed").Number(status.failed).Key("ignored").Number(status.ignored);
  json.EndObject().EndObject();
}

std::string ListBody(const BreakersApiParts& parts) {
  std::string body;
  base::JsonWriter json(body);
  json.BeginObject().Key("breakers").BeginArray();
  for (const guard::BreakerStatus& status : parts.breakers.List(parts.clock.SteadyNs())) {
    Write(json, status, parts.clock);
  }
  json.EndArray().EndObject();
  return body;
}

std::optional<guard::Forced> ParseOrder(std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view state;
  if (parser.parse(body.data(), body.size()).get(root) || root["state"].get(state)) {
    return std::nullopt;
  }
  for (const auto forced : {guard::Forced::kNone, guard::Forced::kOpen, guard::Forced::kClosed}) {
    if (state == guard::Name(forced)) return forced;
  }
  return std::nullopt;
}

net::Reply Unknown(const security::Asked& asked) {
  return net::Problem(404, "not-found",
                      "there is no breaker of that name; GET /api/v1/breakers lists them",
                      asked.trace_id);
}

void HandleForce(const BreakersApiParts& parts, const Call& call) {
  const auto order = ParseOrder(call.request.body);
  if (!order) {
    return net::Respond(
        call.loop, call.request.ticket,
        security::InvalidRequest("state", "must be open, closed or none", call.trace_id));
  }
  net::Offload(
      parts.helpers, security::AskerOf(call),
      [parts, asked = security::Asked(call), name = call.params[0], order = *order] {
        const auto list = parts.breakers.List(parts.clock.SteadyNs());
        if (std::ranges::none_of(list, [&](const auto& status) { return status.name == name; })) {
          return Unknown(asked);
        }
        return security::Audited(parts.audit, asked, "force-" + std::string(guard::Name(order)), {},
                                 name, [&] {
                                   if (!parts.breakers.Force(name, order, parts.clock.SteadyNs()))
                                     return Unknown(asked);
                                   net::Reply reply;
                                   reply.body = ListBody(parts);
                                   return reply;
                                 });
      });
}

}  // namespace

std::vector<security::Route> BreakerRoutes(const BreakersApiParts& parts) {
  using security::Scope;
  constexpr auto kUrgent = guard::Criticality::kUrgent;
  const auto list = [parts](const Call& call) {
    call.loop.Respond(call.request.ticket, {.body = ListBody(parts)});
  };
  const auto force = [parts](const Call& call) { HandleForce(parts, call); };
  return {
      {net::Method::kGet, "/api/v1/breakers", Scope::kOperate, -1, list, {}, kUrgent},
      {net::Method::kPost,
       "/api/v1/breakers/{name}/force",
       Scope::kOperate,
       security::Route::kAllStudies,
       force,
       {},
       kUrgent},
  };
}

}  // namespace weir::app

#include "security/replies.h"

#include "base/json_writer.h"
#include "base/number.h"
#include "net/problem.h"
#include "net/router.h"

namespace weir::security {
namespace {

struct Kind {
  int status;
  std::string_view type;
};

Kind KindOf(base::ErrorCode code) {
  switch (code) {
    case base::ErrorCode::kInvalidArgument:
      return {422, "invalid-request"};
    case base::ErrorCode::kNotFound:
      return {404, "not-found"};
    case base::ErrorCode::kAlreadyExists:
    case base::ErrorCode::kConflict:
      return {409, "conflict"};
    case base::ErrorCode::kTooLarge:
      return {413, "too-large"};
    case base::ErrorCode::kNoSpace:
      return {507, "no-space"};
    case base::ErrorCode::kPermission:
      return {403, "forbidden"};
    case base::ErrorCode::kUnsupported:
      return {501, "not-implemented"};
    case base::ErrorCode::kDeadline:
      return {504, "not-in-time"};
    case base::ErrorCode::kBacklogFull:
    case base::ErrorCode::kStopped:
    case base::ErrorCode::kUnavailable:
      return {503, "unavailable"};
    case base::ErrorCode::kCorruption:
    case base::ErrorCode::kIo:
      return {500, "internal"};
  }
  return {500, "internal"};
}

}  // namespace

net::Reply FromError(const base::Error& error, std::string_view trace_id) {
  const Kind kind = KindOf(error.code);
  net::Reply reply = net::Problem(kind.status, kind.type, error.message, trace_id);
  if (kind.status == 503 || kind.status == 507) {
    uint64_t spread = 0;
    for (const char c : trace_id) spread = spread * 31 + static_cast<unsigned char>(c);
    reply.headers = net::RetryAfter(kind.status == 507 ? 10 : 1, spread);
  }
  return reply;
}

net::Reply InvalidRequest(std::string_view path, std::string_view detail,
                          std::string_view trace_id) {
  std::string errors;
  base::JsonWriter json(errors);
  json.Key("errors").BeginArray().BeginObject();
  json.Key("path").String(path).Key("detail").String(detail);
  json.EndObject().EndArray();
  return net::Problem(422, "invalid-request", std::string(path) + " " + std::string(detail),
                      trace_id, errors);
}

net::Reply Audited(AuditTrail& audit, const Asked& asked, std::string_view action,
                   std::string_view study, std::string_view subject,
                   const std::function<net::Reply()>& answer) {
  const auto recorded = audit.Record({.actor = asked.actor,
                                      .action = action,
                                      .route = asked.route,
                                      .study_id = study,
                                      .subject = subject,
                                      .trace_id = asked.trace_id});
  if (!recorded) return FromError(recorded.error(), asked.trace_id);
  return answer();
}

tl::expected<uint64_t, Invalid> QueryNumber(std::string_view query, std::string_view name,
                                            uint64_t low, uint64_t high, uint64_t fallback) {
  const auto text = net::QueryParam(query, name);
  if (!text) return fallback;
  const auto value = base::ParseNumber<uint64_t>(*text);
  if (!value || *value < low || *value > high) {
    return tl::unexpected(Invalid{
        std::string(name),
        "must be a whole number from " + std::to_string(low) + " to " + std::to_string(high)});
  }
  return *value;
}

}  // namespace weir::security

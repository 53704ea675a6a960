#include "app/http_handler.h"

#include <algorithm>
#include <charconv>

#include "base/random.h"
#include "net/problem.h"
#include "security/limits.h"

namespace weir::app {
namespace {

// A body of more than this, or a compressed one, is not read before its sender is known.
constexpr uint64_t kUnknownSenderBodyMax = 16u << 10;

const security::Identity kNobody{.name = "anonymous", .scopes = {}, .studies = {}};

std::string_view TypeOf(int status) {
  switch (status) {
    case 400:
      return "malformed";
    case 408:
      return "timeout";
    case 413:
      return "too-large";
    case 415:
      return "unsupported-media-type";
    case 417:
      return "expectation-failed";
    case 431:
      return "header-too-large";
    case 501:
      return "not-implemented";
    case 503:
      return "unavailable";
    case 505:
      return "http-version";
    default:
      return "error";
  }
}

// How long the sender waits, in milliseconds, at most `most`; nullopt: `given` is no such number.
std::optional<int> TimeoutOf(std::string_view given, int most) {
  int timeout_ms = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), timeout_ms);
  if (end != given.data() + given.size() || given.starts_with('-')) return std::nullopt;
  if (error == std::errc::result_out_of_range) return most;
  if (error != std::errc() || timeout_ms < 1) return std::nullopt;
  return std::min(timeout_ms, most);
}

// Beside the gate's token, which is 0 until the request was let in. Never 0 itself.
uint32_t MarkOf(size_t route_id) {
  return static_cast<uint32_t>(route_id + 1) * guard::Gate::kTokenEnd;
}

}  // namespace

HttpHandler::HttpHandler(const security::TokenStore& tokens, const base::Clock& clock, Parts parts)
    : authenticator_(tokens),
      clock_(clock),
      parts_(std::move(parts)),
      open_from_(parts_.routes.size()),
      trace_ids_(observe::TraceIds::Seeded()),
      access_log_(*parts_.log, *parts_.access_share),
      spans_(parts_.spans, parts_.continue_traces ? parts_.sample_share : 0) {
  for (auto& route : parts_.open_routes) parts_.routes.push_back(std::move(route));
  parts_.open_routes.clear();
  for (size_t id = 0; id < parts_.routes.size(); ++id) {
    router_.Add(parts_.routes[id].method, parts_.routes[id].path.view(), id);
  }
}

std::string_view HttpHandler::TraceOf(const net::Request& request) {
  const std::string_view traceparent =
      parts_.continue_traces ? request.Find("traceparent") : std::string_view();
  const auto given = traceparent.empty() ? std::nullopt : observe::ParseTraceparent(traceparent);
  trace_ = given ? *given : observe::TraceContext{.trace = trace_ids_.NextTrace()};
  if (given) trace_.state = observe::JoinTracestate(request.FindAll("tracestate"));
  trace_id_.clear();
  trace_.trace.AppendHex(trace_id_);
  trace_given_ = given.has_value();
  return trace_id_;
}

void HttpHandler::Refuse(net::Loop& loop, const net::Request& request, int status,
                         std::string_view type, std::string_view detail, std::string_view headers) {
  const std::string body = net::ProblemJson(status, type, detail, TraceOf(request));
  loop.Respond(request.ticket, {.status = status,
                                .content_type = net::kProblemContentType,
                                .headers = headers,
                                .body = body});
}

bool HttpHandler::WithinLimit(net::Loop& loop, const net::Request& request, guard::LimitKind kind,
                              std::string_view key) {
  if (!parts_.limits->Limits(kind)) return true;
  const auto decision = parts_.limits->Take(kind, key, loop.now_ns());
  if (decision.allowed) return true;
  Refuse(loop, request, 429, "rate-limited", security::RateLimitDetail(kind, decision),
         security::RateLimitHeaders(kind, decision, parts_.gate->Random()));
  return false;
}

bool HttpHandler::LetIn(net::Loop& loop, const net::Request& request, const security::Route& route,
                        net::Mark* mark) {
  if (parts_.limits->Limits(guard::LimitKind::kAddress)) {
    const auto trusted = parts_.trusted_proxies();
    const std::string client =
        net::ClientAddress(request.peer, request.FindAll("X-Forwarded-For"), *trusted);
    if (!WithinLimit(loop, request, guard::LimitKind::kAddress, client)) return false;
  }
  if (route.criticality == guard::Criticality::kReport) return true;  // its service asks
  const guard::Gate::Entry entry = parts_.gate->Enter(route.criticality, loop.now_ns());
  if (entry.admitted) {
    mark->value |= entry.token;
    loop.SetMark(request.ticket, *mark);
    return true;
  }
  Refuse(loop, request, 503, "overloaded",
         "more comes in than this server can take now; send it again",
         net::RetryAfter(parts_.gate->RetryAfterSeconds(route.criticality, loop.now_ns())));
  return false;
}

const security::Route* HttpHandler::RouteOf(net::Mark mark) const {
  const size_t number = mark.value / guard::Gate::kTokenEnd;
  return number == 0 ? nullptr : &parts_.routes[number - 1];
}

bool HttpHandler::WithinLimits(net::Loop& loop, const net::Request& request,
                               const security::Route& route, const security::Identity& identity,
                               std::string_view study) {
  using guard::LimitKind;
  std::string asked;
  if (study.empty() && !request.query.empty() && parts_.limits->Limits(LimitKind::kStudy) &&
      route.criticality != guard::Criticality::kUrgent) {
    asked = net::QueryParam(request.query, "study").value_or("");
    // Nobody spends what belongs to a study that is closed to them.
    if (identity.Allows(route.scope, asked)) study = asked;
  }
  return WithinLimit(loop, request, LimitKind::kToken, identity.name) &&
         WithinLimit(loop, request, LimitKind::kRoute, route.path.view()) &&
         (study.empty() || WithinLimit(loop, request, LimitKind::kStudy, study));
}

void HttpHandler::OnAnswered(net::Loop& loop, net::Mark mark, int status) {
  const bool entered = mark.value % guard::Gate::kTokenEnd != 0;
  if (entered) NoteEntered(mark, status, loop.now_ns());
  const auto draw = [this] { return base::ToFraction(parts_.gate->Random()); };
  if (status != 0 && access_log_.Wants(status, entered, draw)) {
    LogAccess(mark, entered, status, loop.now_ns());
  }
  if (mark.span != 0) spans_.End(mark.span, status, loop.now_ns());
}

void HttpHandler::NoteEntered(net::Mark mark, int status, int64_t now_ns) {
  const uint32_t token = mark.value % guard::Gate::kTokenEnd;
  parts_.gate->Left(token, mark.since_ns, status == 503, now_ns);
  if (status == 0 || !parts_.times) return;
  const int64_t took_ns = std::max<int64_t>(0, now_ns - mark.since_ns);
  const guard::Criticality of =
      guard::Gate::IsUrgent(token) ? guard::Criticality::kUrgent : RouteOf(mark)->criticality;
  (*parts_.times)[static_cast<size_t>(of)].Observe(static_cast<uint64_t>(took_ns));
}

void HttpHandler::LogAccess(net::Mark mark, bool entered, int status, int64_t now_ns) {
  AccessLog::Answer answer{.status = status, .let_in = entered};
  if (const security::Route* const route = RouteOf(mark)) {
    answer.route = route->path;
    answer.took_ms = std::max<int64_t>(0, now_ns - mark.since_ns) / 1'000'000;
    if (mark.span != 0) answer.trace = &spans_.TraceOf(mark.span);
  }
  access_log_.Write(answer);
}

void HttpHandler::OnLag(net::Loop& loop, int64_t lag_ns) {
  parts_.gate->Lag(lag_ns, loop.now_ns());
}

HttpHandler::Admission HttpHandler::Admit(net::Loop& loop, const net::Request& request,
                                          Stage stage) {
  if (request.method == net::Method::kOptions && request.path == "*") {
    loop.Respond(request.ticket, {.status = 204, .headers = "Allow: GET, HEAD, POST, OPTIONS\r\n"});
    return {};
  }
  net::Router::Match match = router_.Find(request.method, request.path);
  if (!match.id) {
    if (match.allow.empty()) {
      Refuse(loop, request, 404, "not-found",
             "there is nothing at this path; /openapi.json lists what there is");
      return {};
    }
    const std::string allow = "Allow: " + match.allow + "\r\n";
    if (request.method == net::Method::kOptions) {
      loop.Respond(request.ticket, {.status = 204, .headers = allow});
    } else {
      Refuse(loop, request, 405, "method-not-allowed", "this path takes " + match.allow, allow);
    }
    return {};
  }
  if (!request.query.empty() && !net::IsWellFormedQuery(request.query)) {
    Refuse(loop, request, 400, "malformed",
           "a % in the query must stand before two hexadecimal digits");
    return {};
  }
  Admission admission;
  const std::string_view timeout = request.Find("X-Request-Timeout-Ms");
  if (!timeout.empty()) {
    admission.timeout_ms = TimeoutOf(timeout, parts_.deadline_ms_max);
    if (!admission.timeout_ms) {
      Refuse(loop, request, 400, "malformed",
             "X-Request-Timeout-Ms must be a whole number of milliseconds, from 1");
      return {};
    }
  }
  const security::Route& route = parts_.routes[*match.id];
  const bool enters = stage == Stage::kEnter;
  admission.mark = {.value = MarkOf(*match.id), .since_ns = loop.now_ns()};
  // Whatever is answered, its line names the route.
  if (access_log_.samples()) loop.SetMark(request.ticket, admission.mark);
  if (enters && !LetIn(loop, request, route, &admission.mark)) return {};
  const auto let_in = [&](const security::Identity& identity) {
    admission.route = &route;
    admission.route_id = *match.id;
    admission.identity = &identity;
    admission.params = std::move(match.params);
    return std::move(admission);
  };
  if (*match.id >= open_from_) return let_in(kNobody);
  const auto outcome = authenticator_.Check(request.authorization, clock_.WallMs());
  std::string_view study;
  if (route.study_param >= 0) study = match.params[static_cast<size_t>(route.study_param)];
  security::Refusal refusal = outcome.refusal;
  if (outcome && !outcome.identity->ComesWith(request.peer_certificate)) {
    refusal = security::Refusal::kCertificate;
  } else if (outcome) {
    const bool allowed = study.empty() ? outcome.identity->Allows(route.scope)
                                       : outcome.identity->Allows(route.scope, study);
    const bool far_enough =
        route.study_param != security::Route::kAllStudies || outcome.identity->all_studies();
    if (allowed && far_enough) {
      if (enters && !WithinLimits(loop, request, route, *outcome.identity, study)) return {};
      return let_in(*outcome.identity);
    }
    refusal = outcome.identity->Allows(route.scope) ? security::Refusal::kStudy
                                                    : security::Refusal::kScope;
  }
  const int status = security::HttpStatus(refusal);
  Refuse(loop, request, status, status == 401 ? "unauthorized" : "forbidden",
         security::Detail(refusal, route.scope), security::ChallengeHeader(refusal, route.scope));
  return {};
}

security::Call HttpHandler::MakeCall(net::Loop& loop, const net::Request& request,
                                     const Admission& admission) {
  TraceOf(request);
  // Who gives a time counts from sending; ours is for what we do, however slowly a body comes.
  const int64_t from_ns = admission.timeout_ms ? request.received_ns : loop.now_ns();
  const int timeout_ms =
      admission.timeout_ms.value_or(std::min(parts_.deadline_ms, parts_.deadline_ms_max));
  const RequestSpans::Begun span =
      spans_.Begin(trace_, trace_given_, request.method, admission.route->path.view(),
                   request.received_ns, trace_ids_);
  if (span.mark != 0) {
    net::Mark mark = admission.mark;
    mark.span = span.mark;
    loop.SetMark(request.ticket, mark);
  }
  return {.loop = loop,
          .request = request,
          .identity = *admission.identity,
          .route = admission.route->path.view(),
          .params = admission.params,
          .trace_id = trace_id_,
          .trace_state = trace_.state,
          .trace_kept = trace_given_ || !span.span.none(),
          .span = span.span,
          .span_mark = span.mark,
          .deadline_ns = from_ns + int64_t{timeout_ms} * 1'000'000,
          .deadline_given = admission.timeout_ms.has_value(),
          .mark = MarkOf(admission.route_id)};
}

net::Handler::Decision HttpHandler::OnHeaders(net::Loop& loop, const net::Request& request) {
  if (!request.has_body) return {};
  const bool large = !request.content_length || *request.content_length > kUnknownSenderBodyMax ||
                     !request.Find("expect").empty() || !request.Find("content-encoding").empty();
  const auto match = router_.Find(request.method, request.path);
  const bool in_pieces = match.id && parts_.routes[*match.id].begin;
  if (!large && !in_pieces) return {};
  const Admission admission = Admit(loop, request, in_pieces ? Stage::kEnter : Stage::kLook);
  if (!admission.route) return {Take::kRefused};
  if (!in_pieces) return {};
  net::BodyReader* reader = admission.route->begin(MakeCall(loop, request, admission));
  return reader ? Decision{Take::kInPieces, reader} : Decision{Take::kRefused};
}

void HttpHandler::OnRequest(net::Loop& loop, const net::Request& request) {
  const Admission admission = Admit(loop, request, Stage::kEnter);
  if (!admission.route) return;
  if (admission.route->needs_body && !request.has_body && !request.content_length) {
    return Refuse(loop, request, 411, "length-required",
                  "this path takes a body: send it with Content-Length, or in chunks");
  }
  if (!admission.route->handle) {
    return Refuse(loop, request, 400, "malformed", "this path takes a body of lines");
  }
  admission.route->handle(MakeCall(loop, request, admission));
}

bool HttpHandler::OnTurnEnd(net::Loop&) { return parts_.turn_end && parts_.turn_end(); }

void HttpHandler::OnIdle(net::Loop&) {
  if (parts_.idle) parts_.idle();
}

std::string HttpHandler::Problem(int status, std::string_view detail) {
  trace_id_.clear();
  trace_ids_.NextTrace().AppendHex(trace_id_);
  return net::ProblemJson(status, TypeOf(status), detail, trace_id_);
}

}  // namespace weir::app

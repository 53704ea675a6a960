// From a request to the service that answers it: route, gate, token, scope, rate limits, then the
// route's own code.
//
// One per loop. The order of refusals is 404, 405, 400 (of the query and the deadline), 429 (of the
// address), 503, 401, 403, 429: what exists is no secret, it is in docs/openapi.yaml; whose it is,
// is.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/access_log.h"
#include "app/request_spans.h"
#include "base/clock.h"
#include "guard/gate.h"
#include "guard/rate_limits.h"
#include "net/http.h"
#include "net/networks.h"
#include "net/router.h"
#include "observe/counters.h"
#include "observe/log.h"
#include "observe/trace.h"
#include "security/authenticator.h"
#include "security/route.h"

namespace weir::app {

// From when a request was whole, or its header was where its body is taken in pieces, to its
// answer.
using RequestTimes = std::array<observe::Histogram, guard::kCriticalities>;

class HttpHandler final : public net::Handler {
 public:
  struct Parts {
    std::vector<security::Route> routes;
    // Paths that need no token: the page, the description of the interface.
    std::vector<security::Route> open_routes;
    std::function<bool()> turn_end;  // see net::Handler::OnTurnEnd
    std::function<void()> idle;
    bool continue_traces = true;  // those that callers send; else every request begins its own
    observe::SpanQueue* spans = nullptr;  // null: there are no spans
    double sample_share = 0;              // of requests without a traceparent
    int deadline_ms = 30'000;       // without X-Request-Timeout-Ms: from when a request is whole
    int deadline_ms_max = 120'000;  // what that header may ask for: from its first byte
    // Of this loop, and of all; they outlive the handler.
    guard::Gate* gate = nullptr;
    guard::RateLimits* limits = nullptr;
    // How long requests take, by what they are worth; this loop's own. Null: it is not measured.
    RequestTimes* times = nullptr;
    observe::Log* log = nullptr;
    const std::atomic<double>* access_share = nullptr;  // of the answers, those that are logged
    // The proxies whose X-Forwarded-For is believed.
    std::function<std::shared_ptr<const net::Networks>()> trusted_proxies;
  };

  HttpHandler(const security::TokenStore& tokens, const base::Clock& clock, Parts parts);

  Decision OnHeaders(net::Loop& loop, const net::Request& request) override;
  void OnRequest(net::Loop& loop, const net::Request& request) override;
  void OnAnswered(net::Loop& loop, net::Mark mark, int status) override;
  void OnLag(net::Loop& loop, int64_t lag_ns) override;
  bool OnTurnEnd(net::Loop& loop) override;
  void OnIdle(net::Loop& loop) override;
  std::string Problem(int status, std::string_view detail) override;

 private:
  struct Admission {
    const security::Route* route = nullptr;  // null: the request has been answered
    size_t route_id = 0;
    const security::Identity* identity = nullptr;
    std::vector<std::string> params;
    net::Mark mark;
    std::optional<int> timeout_ms;  // that the sender has given
  };
  // Answers the request, unless it may go on. kLook is for a request whose body is still to come:
  // the gate and the limits are asked once, when it is whole or its body is taken in pieces.
  enum class Stage { kLook, kEnter };
  Admission Admit(net::Loop& loop, const net::Request& request, Stage stage);
  // The parts of it that follow once the route, and then the token, are known. False: answered.
  bool LetIn(net::Loop& loop, const net::Request& request, const security::Route& route,
             net::Mark* mark);
  // A request that was let in has been answered, or its client has left.
  void NoteEntered(net::Mark mark, int status, int64_t now_ns);
  void LogAccess(net::Mark mark, bool entered, int status, int64_t now_ns);
  // Null: the request had found none.
  const security::Route* RouteOf(net::Mark mark) const;
  // `study`: of the path; empty: the query may name one. Alerts are not held back by a study's.
  bool WithinLimits(net::Loop& loop, const net::Request& request, const security::Route& route,
                    const security::Identity& identity, std::string_view study);
  bool WithinLimit(net::Loop& loop, const net::Request& request, guard::LimitKind kind,
                   std::string_view key);
  void Refuse(net::Loop& loop, const net::Request& request, int status, std::string_view type,
              std::string_view detail, std::string_view headers = {});
  security::Call MakeCall(net::Loop& loop, const net::Request& request, const Admission& admission);
  std::string_view TraceOf(const net::Request& request);

  security::Authenticator authenticator_;
  const base::Clock& clock_;
  Parts parts_;
  size_t open_from_;  // routes with a higher id need no token
  net::Router router_;
  observe::TraceIds trace_ids_;
  AccessLog access_log_;
  RequestSpans spans_;
  // Of the request that is looked at.
  observe::TraceContext trace_;
  std::string trace_id_;
  bool trace_given_ = false;
};

}  // namespace weir::app

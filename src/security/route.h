// What a service offers over HTTP: a method and a path, what a token must hold, and who answers.
//
// Routes are made anew for each loop, so what they call may keep state of that loop without a lock.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "guard/criticality.h"
#include "net/http.h"
#include "observe/log_fields.h"
#include "observe/trace.h"
#include "security/identity.h"

namespace weir::security {

// One request that found its route and was let in. Valid during the call that passes it.
struct Call {
  net::Loop& loop;
  const net::Request& request;
  const Identity& identity;
  std::string_view route;  // the template
  const std::vector<std::string>& params;
  std::string_view trace_id;     // 32 hexadecimal digits
  std::string_view trace_state;  // the caller's tracestate; empty: none
  bool trace_kept;               // given by the caller, or sampled: what comes of the call names it
  observe::SpanId span;          // of this request, or else the caller's; none: it is not sampled
  uint32_t span_mark;            // for Loop::SetMark()
  int64_t deadline_ns;           // steady clock: who asks does not wait for longer
  bool deadline_given;           // by the caller, not by the configuration
  uint32_t mark;  // for net::Loop::SetMark(), beside the gate's token: names the route
};

struct Route {
  net::Method method = net::Method::kGet;
  observe::Literal path;  // template
  Scope scope = Scope::kRead;
  // The parameter that names a study, which the token must be allowed; -1: the handler looks
  // itself.
  static constexpr int kAllStudies = -2;  // it concerns all: the token must be for all
  int study_param = -1;
  std::function<void(const Call&)> handle;
  // Instead of `handle`, for a body taken in pieces: null if the request was answered already.
  std::function<net::BodyReader*(const Call&)> begin;
  // What is shed before it. A route of reports is not shed here: whether a report is urgent stands
  // in its body, so its service asks the gate.
  guard::Criticality criticality = guard::Criticality::kRead;
  // A request that announces none gets 411, and nobody is called.
  bool needs_body = false;
};

}  // namespace weir::security

// Replies that every service gives in the same way.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/offload.h"
#include "security/audit.h"
#include "security/route.h"

namespace weir::security {

// What a route needs after its call has returned: the request is gone by then.
struct Asked {
  std::string actor;
  std::string_view route;  // template, a literal
  std::string trace_id;
  int64_t deadline_ns;

  explicit Asked(const Call& call)
      : actor(call.identity.name),
        route(call.route),
        trace_id(call.trace_id),
        deadline_ns(call.deadline_ns) {}
};

inline net::Asker AskerOf(const Call& call) {
  return {call.loop, call.request.ticket, call.trace_id, call.deadline_ns};
}

// The status and problem of a failed operation: kNotFound is 404, kNoSpace 507, and so on.
net::Reply FromError(const base::Error& error, std::string_view trace_id);

// One field of a body, or parameter of a query, that is wrong: "limit", "must be …".
struct Invalid {
  std::string path;
  std::string detail;
};

// 422, which names it.
net::Reply InvalidRequest(std::string_view path, std::string_view detail,
                          std::string_view trace_id);
inline net::Reply InvalidRequest(const Invalid& invalid, std::string_view trace_id) {
  return InvalidRequest(invalid.path, invalid.detail, trace_id);
}

// Records the access, then works out the answer: nothing is shown that is not in the audit trail.
// Never on a loop.
net::Reply Audited(AuditTrail& audit, const Asked& asked, std::string_view action,
                   std::string_view study, std::string_view subject,
                   const std::function<net::Reply()>& answer);

// A whole number of a query within [low, high]; `fallback` if the parameter is absent.
tl::expected<uint64_t, Invalid> QueryNumber(std::string_view query, std::string_view name,
                                            uint64_t low, uint64_t high, uint64_t fallback);

}  // namespace weir::security

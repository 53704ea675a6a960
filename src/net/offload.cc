#include "net/offload.h"

#include <memory>
#include <utility>

#include "base/clock.h"
#include "net/problem.h"

namespace weir::net {

Reply Problem(int status, std::string_view type, std::string_view detail, std::string_view trace_id,
              std::string_view members) {
  return {status,
          ProblemJson(status, type, detail, trace_id, members),
          std::string(kProblemContentType),
          {}};
}

void Respond(Loop& loop, Ticket ticket, const Reply& reply) {
  loop.Respond(ticket, {.status = reply.status,
                        .content_type = reply.content_type,
                        .headers = reply.headers,
                        .body = reply.body});
}

void Offload(exec::WorkerPool& helpers, const Asker& asker, std::function<Reply()> work) {
  Loop& loop = asker.loop;
  const Ticket ticket = asker.ticket;
  const bool taken = helpers.TrySubmit([&loop, ticket, deadline_ns = asker.deadline_ns,
                                        trace_id = std::string(asker.trace_id),
                                        work = std::move(work)] {
    const bool late = deadline_ns > 0 && base::SystemClock().SteadyNs() >= deadline_ns;
    auto reply = std::make_shared<Reply>(
        late ? Problem(504, "not-in-time", "the time allowed passed before its turn came", trace_id)
             : work());
    loop.Post([&loop, ticket, reply] { Respond(loop, ticket, *reply); });
  });
  if (taken) return;
  Reply reply = Problem(503, "overloaded", "too many requests wait for the disk; send it again",
                        asker.trace_id);
  reply.headers = RetryAfter(1, ticket * 0x9e3779b97f4a7c15);
  Respond(loop, ticket, reply);
}

}  // namespace weir::net

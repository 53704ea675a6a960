#include "net/offload.h"

#include <memory>
#include <utility>

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

void Offload(exec::WorkerPool& helpers, Loop& loop, Ticket ticket, std::string_view trace_id,
             std::function<Reply()> work) {
  const bool taken = helpers.TrySubmit([&loop, ticket, work = std::move(work)] {
    auto reply = std::make_shared<Reply>(work());
    loop.Post([&loop, ticket, reply] { Respond(loop, ticket, *reply); });
  });
  if (taken) return;
  Reply reply =
      Problem(503, "overloaded", "too many requests wait for the disk; send it again", trace_id);
  reply.headers = RetryAfter(1, ticket * 0x9e3779b97f4a7c15);
  Respond(loop, ticket, reply);
}

}  // namespace weir::net

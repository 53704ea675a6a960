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

void AnswerLate(Loop& loop, const Offloaded& request) {
  Respond(loop, request.ticket,
          Problem(504, "not-in-time", "the time allowed passed before this was done",
                  request.trace_id));
}

void Offload(exec::WorkerPool& helpers, const Asker& asker, std::function<Reply()> work) {
  Loop& loop = asker.loop;
  const uint64_t name =
      loop.offloaded().Add({asker.ticket, asker.deadline_ns, std::string(asker.trace_id)});
  const bool taken =
      helpers.TrySubmit([&loop, name, deadline_ns = asker.deadline_ns, work = std::move(work)] {
        if (base::SystemClock().SteadyNs() >= deadline_ns) return;  // the loop says so
        auto reply = std::make_shared<Reply>(work());
        loop.Post([&loop, name, reply] {
          if (const auto request = loop.offloaded().Take(name)) {
            Respond(loop, request->ticket, *reply);
          }
        });
      });
  if (taken) return;
  loop.offloaded().Take(name);
  Reply reply = Problem(503, "overloaded", "too many requests wait for the disk; send it again",
                        asker.trace_id);
  reply.headers = RetryAfter(1, asker.ticket * 0x9e3779b97f4a7c15);
  Respond(loop, asker.ticket, reply);
}

}  // namespace weir::net

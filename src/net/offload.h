// Answers that must read a disk or a database: worked out on a helper thread, sent from the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "exec/worker_pool.h"
#include "net/http.h"
#include "net/unanswered.h"

namespace weir::net {

struct Reply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string headers;  // further header lines, each ending in CRLF
};

// A problem+json reply.
Reply Problem(int status, std::string_view type, std::string_view detail, std::string_view trace_id,
              std::string_view members = {});

void Respond(Loop& loop, Ticket ticket, const Reply& reply);

// Who asks, and for how long.
struct Asker {
  Loop& loop;
  Ticket ticket;
  std::string_view trace_id;
  int64_t deadline_ns = DeadlineWheel::kNever;  // steady clock
};

// What a loop has given to helpers; their queue bounds it.
struct Offloaded {
  Ticket ticket = 0;
  int64_t deadline_ns = 0;
  std::string trace_id;
};
void AnswerLate(Loop& loop, const Offloaded& request);

// Runs `work` on a helper and answers with what it returns; 503 at once if all helpers are busy and
// their queue is full; 504 within a tenth of a second of the deadline if there is no answer by
// then, and work whose turn has not come is not begun: it is up to `work` to end what has begun.
// `work` must not refer to the request, which is gone by then. On the loop's thread.
void Offload(exec::WorkerPool& helpers, const Asker& asker, std::function<Reply()> work);

}  // namespace weir::net

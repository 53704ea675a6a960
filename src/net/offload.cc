#include "net/offload.h"

#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/problem.h"

namespace weir::net {
namespace {

constexpr int kDeadlineCheckMs = 100;

// What one loop has given to helpers and has not answered, as far as it has a deadline. Bounded by
// the helpers' queue. On the loop's thread.
class Unanswered {
 public:
  static Unanswered& Of(const Loop& loop) {
    thread_local std::unordered_map<const Loop*, Unanswered> of_loops;
    return of_loops[&loop];
  }

  void Add(const Asker& asker) {
    if (check_.expired()) {
      requests_.clear();  // of a loop that is gone
      const auto check = std::make_shared<int>();
      check_ = check;
      CheckLater(asker.loop, check);
    }
    requests_[asker.ticket] = {asker.deadline_ns, std::string(asker.trace_id)};
  }
  // False: it has been answered.
  bool Take(Ticket ticket) { return requests_.erase(ticket) > 0; }

 private:
  struct Request {
    int64_t deadline_ns = 0;
    std::string trace_id;
  };

  // `check` lives as long as the loop will come back.
  static void CheckLater(Loop& loop, const std::shared_ptr<int>& check) {
    loop.After(kDeadlineCheckMs, [&loop, check] {
      Unanswered& own = Of(loop);
      own.AnswerLate(loop);
      if (!own.requests_.empty()) CheckLater(loop, check);
    });
  }

  void AnswerLate(Loop& loop) {
    std::vector<std::pair<Ticket, Request>> late;
    for (const auto& entry : requests_) {
      if (entry.second.deadline_ns <= loop.now_ns()) late.push_back(entry);
    }
    for (const auto& [ticket, request] : late) requests_.erase(ticket);
    for (const auto& [ticket, request] : late) {
      Respond(loop, ticket,
              Problem(504, "not-in-time", "the time allowed passed before this was done",
                      request.trace_id));
    }
  }

  std::unordered_map<Ticket, Request> requests_;
  std::weak_ptr<int> check_;
};

}  // namespace

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
    loop.Post([&loop, ticket, reply, timed = deadline_ns > 0] {
      if (!timed || Unanswered::Of(loop).Take(ticket)) Respond(loop, ticket, *reply);
    });
  });
  if (taken && asker.deadline_ns > 0) Unanswered::Of(loop).Add(asker);
  if (taken) return;
  Reply reply = Problem(503, "overloaded", "too many requests wait for the disk; send it again",
                        asker.trace_id);
  reply.headers = RetryAfter(1, ticket * 0x9e3779b97f4a7c15);
  Respond(loop, ticket, reply);
}

}  // namespace weir::net

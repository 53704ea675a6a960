// The spans of one loop's requests: which request has one, begun when it has found its route, ended
// with its answer, or when its answer in pieces begins.
//
// A caller decides for its own trace (the sampled flag of its traceparent); of other requests a
// share is sampled. Threads: the loop's. Memory: at most kOpenMax spans; beyond that requests have
// none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "observe/span.h"
#include "observe/trace.h"

namespace weir::app {

class RequestSpans {
 public:
  static constexpr size_t kOpenMax = 4096;

  // Without a queue there are no spans, and a caller's own is passed on as the parent of what
  // follows.
  RequestSpans(observe::SpanQueue* queue, double share) : queue_(queue), share_(share) {}

  struct Begun {
    observe::SpanId span;  // none: the request is not sampled
    uint32_t mark = 0;     // for End(); 0: nothing is to be ended
  };
  // `given`: `context` is the caller's. `route`: a template that outlives this object.
  Begun Begin(const observe::TraceContext& context, bool given, net::Method method,
              std::string_view route, int64_t start_ns, observe::TraceIds& ids) {
    if (given ? !context.sampled : share_ <= 0 || !ids.Sample(share_)) return {};
    return Open(context, method, route, start_ns, ids);
  }
  const observe::TraceId& TraceOf(uint32_t mark) const { return entries_[mark - 1].of.trace; }
  // Status 0: the client has left.
  void End(uint32_t mark, int status, int64_t now_ns);

 private:
  struct Entry {
    observe::TraceContext of;
    observe::SpanId id;
    net::Method method = net::Method::kGet;
    std::string_view route;
    int64_t start_ns = 0;
  };
  Begun Open(const observe::TraceContext& context, net::Method method, std::string_view route,
             int64_t start_ns, observe::TraceIds& ids);

  observe::SpanQueue* const queue_;
  const double share_;
  std::vector<Entry> entries_;  // by mark - 1
  std::vector<uint32_t> free_;
};

}  // namespace weir::app

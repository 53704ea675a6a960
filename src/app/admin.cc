#include "app/admin.h"

#include <functional>
#include <optional>
#include <string>

#include "base/number.h"
#include "net/offload.h"
#include "net/problem.h"
#include "net/router.h"
#include "observe/profile.h"
#include "observe/trace.h"

namespace weir::app {
namespace {

constexpr int kProfileSecondsDefault = 30;
constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kBinary = "application/octet-stream";

enum Page : size_t {
  kMetrics,
  kLive,
  kReady,
  kProfile,
  kAllocations,
  kHeap,
  kSymbol,
  kSymbolPost,
  kCommandLine
};

net::Reply FromResult(base::Result<std::string> result, const std::string& trace_id) {
  if (result) return {200, std::move(*result), std::string(kBinary), {}};
  const int status = result.error().code == base::ErrorCode::kUnsupported ? 501 : 503;
  return net::Problem(status, "profile", result.error().message, trace_id);
}

// Nothing: what is asked for is no time that a profile takes.
std::optional<int> SecondsOf(const std::optional<std::string>& asked) {
  if (!asked) return kProfileSecondsDefault;
  const auto seconds = base::ParseNumber<int>(*asked);
  if (!seconds || *seconds < 1 || *seconds > observe::kProfileSecondsMax) return std::nullopt;
  return seconds;
}

class AdminHandler final : public net::Handler {
 public:
  AdminHandler(const observe::Metrics& metrics, const Readiness& readiness,
               exec::WorkerPool& helpers)
      : metrics_(metrics), readiness_(readiness), helpers_(helpers) {
    router_.Add(net::Method::kGet, "/metrics", kMetrics);
    router_.Add(net::Method::kGet, "/livez", kLive);
    router_.Add(net::Method::kGet, "/readyz", kReady);
    router_.Add(net::Method::kGet, "/debug/pprof/profile", kProfile);
    router_.Add(net::Method::kGet, "/debug/pprof/allocs", kAllocations);
    router_.Add(net::Method::kGet, "/debug/pprof/heap", kHeap);
    router_.Add(net::Method::kGet, "/debug/pprof/symbol", kSymbol);
    router_.Add(net::Method::kPost, "/debug/pprof/symbol", kSymbolPost);
    router_.Add(net::Method::kGet, "/debug/pprof/cmdline", kCommandLine);
  }

  void OnRequest(net::Loop& loop, const net::Request& request) override {
    const auto match = router_.Find(request.method, request.path);
    if (!match.id) return Miss(loop, request, match.allow);
    if (!net::IsWellFormedQuery(request.query)) {
      return Refuse(loop, request, 400, "malformed",
                    "a % in the query must stand before two hexadecimal digits");
    }
    switch (static_cast<Page>(*match.id)) {
      case kMetrics:
        return Send(loop, request, 200, observe::Metrics::kContentType, metrics_.Scrape());
      case kLive:
        return Send(loop, request, 200, kText, "alive\n");
      case kReady: {
        const std::string reason = readiness_.reason();
        if (reason.empty()) return Send(loop, request, 200, kText, "ready\n");
        return Refuse(loop, request, 503, "not-ready", reason);
      }
      case kProfile:
        return ProfileFor(loop, request, observe::CpuProfile);
      case kAllocations:
        return ProfileFor(loop, request, observe::AllocationProfile);
      case kHeap:
        return HeapProfile(loop, request);
      case kSymbol:
      case kSymbolPost:
        return Send(loop, request, 200, kText, observe::Symbols(request.body));
      case kCommandLine:
        return Send(loop, request, 200, kBinary, observe::CommandLine());
    }
  }

  std::string Problem(int status, std::string_view detail) override {
    return net::ProblemJson(status, "error", detail, trace_ids_.NextTrace().hex());
  }

 private:
  static void Send(net::Loop& loop, const net::Request& request, int status,
                   std::string_view content_type, const std::string& body) {
    loop.Respond(request.ticket, {.status = status, .content_type = content_type, .body = body});
  }

  std::string TraceOf(const net::Request& request) {
    return observe::TraceOf(request.Find("traceparent"), trace_ids_).hex();
  }

  void Refuse(net::Loop& loop, const net::Request& request, int status, std::string_view type,
              std::string_view detail, std::string_view headers = {}) {
    const std::string body = net::ProblemJson(status, type, detail, TraceOf(request));
    loop.Respond(request.ticket, {.status = status,
                                  .content_type = net::kProblemContentType,
                                  .headers = headers,
                                  .body = body});
  }

  using Profile = base::Result<std::string> (*)(int seconds,
                                                const std::function<bool()>& cancelled);
  void ProfileFor(net::Loop& loop, const net::Request& request, Profile profile) {
    const std::optional<int> seconds = SecondsOf(net::QueryParam(request.query, "seconds"));
    if (!seconds) {
      return Refuse(loop, request, 400, "malformed",
                    "seconds must be a whole number from 1 to " +
                        std::to_string(observe::kProfileSecondsMax));
    }
    Offload(loop, request, [this, profile, seconds = *seconds] {
      return profile(seconds, [this] { return helpers_.stopping(); });
    });
  }

  void HeapProfile(net::Loop& loop, const net::Request& request) {
    if (net::QueryParam(request.query, "seconds")) {
      return Refuse(loop, request, 400, "malformed",
                    "a heap profile shows what is allocated now: it takes no seconds");
    }
    Offload(loop, request, observe::HeapProfile);
  }

  template <class Take>
  void Offload(net::Loop& loop, const net::Request& request, Take take) {
    const std::string trace_id = TraceOf(request);
    net::Offload(helpers_, {loop, request.ticket, trace_id},
                 [take, trace_id] { return FromResult(take(), trace_id); });
  }

  void Miss(net::Loop& loop, const net::Request& request, const std::string& allow) {
    if (allow.empty()) {
      return Refuse(loop, request, 404, "not-found",
                    "here are /metrics, /livez, /readyz and /debug/pprof/");
    }
    const std::string header = "Allow: " + allow + "\r\n";
    if (request.method == net::Method::kOptions) {
      return loop.Respond(request.ticket, {.status = 204, .headers = header});
    }
    Refuse(loop, request, 405, "method-not-allowed", "this path takes " + allow, header);
  }

  const observe::Metrics& metrics_;
  const Readiness& readiness_;
  exec::WorkerPool& helpers_;
  net::Router router_;
  observe::TraceIds trace_ids_ = observe::TraceIds::Seeded();
};

}  // namespace

std::unique_ptr<net::Handler> MakeAdminHandler(const observe::Metrics& metrics,
                                               const Readiness& readiness,
                                               exec::WorkerPool& helpers) {
  return std::make_unique<AdminHandler>(metrics, readiness, helpers);
}

}  // namespace weir::app

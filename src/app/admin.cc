#include "app/admin.h"

#include <algorithm>
#include <charconv>

#include "net/offload.h"
#include "net/problem.h"
#include "net/router.h"
#include "observe/profile.h"

namespace weir::app {
namespace {

constexpr int kProfileSecondsDefault = 30;
constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kBinary = "application/octet-stream";

enum Page : size_t { kMetrics, kLive, kReady, kProfile, kHeap, kSymbol, kSymbolPost, kCommandLine };

net::Reply FromResult(base::Result<std::string> result) {
  if (result) return {200, std::move(*result), std::string(kBinary), {}};
  const int status = result.error().code == base::ErrorCode::kUnsupported ? 501 : 503;
  return net::Problem(status, "profile", result.error().message, {});
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
    router_.Add(net::Method::kGet, "/debug/pprof/heap", kHeap);
    router_.Add(net::Method::kGet, "/debug/pprof/symbol", kSymbol);
    router_.Add(net::Method::kPost, "/debug/pprof/symbol", kSymbolPost);
    router_.Add(net::Method::kGet, "/debug/pprof/cmdline", kCommandLine);
  }

  void OnRequest(net::Loop& loop, const net::Request& request) override {
    const auto match = router_.Find(request.method, request.path);
    if (!match.id) return Miss(loop, request, match.allow);
    switch (static_cast<Page>(*match.id)) {
      case kMetrics:
        return Send(loop, request, 200, observe::Metrics::kContentType, metrics_.Scrape());
      case kLive:
        return Send(loop, request, 200, kText, "alive\n");
      case kReady: {
        const std::string reason = readiness_.reason();
        if (reason.empty()) return Send(loop, request, 200, kText, "ready\n");
        return Send(loop, request, 503, net::kProblemContentType,
                    net::ProblemJson(503, "not-ready", reason, {}));
      }
      case kProfile: {
        int seconds = kProfileSecondsDefault;
        const std::string asked = net::QueryParam(request.query, "seconds").value_or("");
        std::from_chars(asked.data(), asked.data() + asked.size(), seconds);
        seconds = std::clamp(seconds, 1, observe::kProfileSecondsMax);
        return net::Offload(helpers_, {loop, request.ticket, {}}, [this, seconds] {
          return FromResult(observe::CpuProfile(seconds, [this] { return helpers_.stopping(); }));
        });
      }
      case kHeap:
        return net::Offload(helpers_, {loop, request.ticket, {}},
                            [] { return FromResult(observe::HeapProfile()); });
      case kSymbol:
      case kSymbolPost:
        return Send(loop, request, 200, kText, observe::Symbols(request.body));
      case kCommandLine:
        return Send(loop, request, 200, kBinary, observe::CommandLine());
    }
  }

  std::string Problem(int status, std::string_view detail) override {
    return net::ProblemJson(status, "error", detail, {});
  }

 private:
  static void Send(net::Loop& loop, const net::Request& request, int status,
                   std::string_view content_type, const std::string& body) {
    loop.Respond(request.ticket, {.status = status, .content_type = content_type, .body = body});
  }

  void Miss(net::Loop& loop, const net::Request& request, const std::string& allow) {
    if (allow.empty()) {
      return Send(loop, request, 404, net::kProblemContentType,
                  net::ProblemJson(404, "not-found",
                                   "here are /metrics, /livez, /readyz and /debug/pprof/", {}));
    }
    const std::string header = "Allow: " + allow + "\r\n";
    if (request.method == net::Method::kOptions) {
      return loop.Respond(request.ticket, {.status = 204, .headers = header});
    }
    const std::string body =
        net::ProblemJson(405, "method-not-allowed", "this path takes " + allow, {});
    loop.Respond(
        request.ticket,
        {.status = 405, .content_type = net::kProblemContentType, .headers = header, .body = body});
  }

  const observe::Metrics& metrics_;
  const Readiness& readiness_;
  exec::WorkerPool& helpers_;
  net::Router router_;
};

}  // namespace

std::unique_ptr<net::Handler> MakeAdminHandler(const observe::Metrics& metrics,
                                               const Readiness& readiness,
                                               exec::WorkerPool& helpers) {
  return std::make_unique<AdminHandler>(metrics, readiness, helpers);
}

}  // namespace weir::app

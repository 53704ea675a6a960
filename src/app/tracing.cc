#include "app/tracing.h"

#include <string>

#include "app/version.h"
#include "app/wiring.h"

namespace weir::app {
namespace {

// More than any span of ours holds (about 600), so that their number is what bounds them.
constexpr size_t kSpanBytes = 2048;

}  // namespace

base::Result<std::unique_ptr<Tracing>> Tracing::Start(const config::Config& config,
                                                      guard::Breakers& breakers,
                                                      const base::Clock& clock) {
  if (config.trace.otlp.endpoint.empty() || !config.middlewares.trace) {
    return std::unique_ptr<Tracing>();
  }
  std::unique_ptr<Tracing> tracing(
      new Tracing({.spans_max = config.trace.otlp.queue_max,
                   .bytes_max = size_t{config.trace.otlp.queue_max} * kSpanBytes}));
  // One export at a time: a second connection is for when the first has just been closed.
  WEIR_ASSIGN_OR_RETURN(tracing->client_,
                        net::Client::Start({.connections_max = 2,
                                            .requests_max = 2,
                                            .user_agent = std::string("weir/") + kVersion}));
  auto exporter =
      net::OtlpExporter::Start(OtlpOptions(config, clock), tracing->queue_, *tracing->client_,
                               breakers.Of("otlp", clock.SteadyNs()), clock);
  if (!exporter) {
    return base::Fail(exporter.error().code, "Trace.Otlp.Endpoint: " + exporter.error().message);
  }
  tracing->exporter_ = std::move(*exporter);
  return tracing;
}

void Tracing::Collect(observe::Sample& sample) const {
  const observe::SpanQueue::Stats queue = queue_.stats();
  const net::OtlpStats exported = exporter_->stats();
  const auto count = [&](const char* outcome, uint64_t value) {
    sample.Counter("weir_trace_spans_total", "Spans by what became of them",
                   static_cast<double>(value), {{"outcome", outcome}});
  };
  count("exported", exported.exported);
  count("dropped", queue.dropped);
  count("rejected", exported.rejected);
  count("failed", exported.failed);
  sample.Gauge("weir_trace_queued_spans", "Spans that wait for the collector",
               static_cast<double>(queue.waiting));
  sample.Histogram("weir_trace_export_seconds", "How long each export took", exported.took);
}

}  // namespace weir::app

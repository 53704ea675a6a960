// The keys of tracing, with go-zero's spellings under Telemetry.
#include "app/config/schema_table.h"

namespace weir::config {

void AddTrace(Table& t) {
  t.Add("Trace.SampleShare", Type::kReal,
        "Share of the requests without a traceparent that are traced, where Trace.Otlp.Endpoint is "
        "given. A traceparent decides for its own request, by its sampled flag. 0: none, 1: all.",
        [](Config& c) { return &c.trace.sample_share; })
      .Between(0, 1)
      .Also({"Telemetry.Sampler"});
  t.Add("Trace.ServiceName", Type::kText, "Under which spans are exported. Empty: Name.",
        [](Config& c) { return &c.trace.service_name; })
      .Also({"Telemetry.Name"});
  t.Add("Trace.Exporter", Type::kText, "How spans are exported: OTLP over HTTP, in JSON.",
        [](Config& c) { return &c.trace.exporter; })
      .Words({"otlphttp"})
      .Also({"Telemetry.Batcher"});
  t.Add("Trace.Otlp.Endpoint", Type::kText,
        "OpenTelemetry collector that takes spans: https, or http to a loopback address; "
        "/v1/traces where it names no path. Empty: there are no spans, and callers' traces are "
        "passed on.",
        [](Config& c) { return &c.trace.otlp.endpoint; })
      .Also({"Telemetry.Endpoint"});
  t.AddEach(
       "Trace.Otlp.Headers.<name>", Type::kText, "Header of each export, such as an API key.",
       [](Config& c, const std::string& name) { return &c.trace.otlp.headers[name]; },
       [](const Config& c) {
         std::vector<Captures> out;
         for (const auto& [name, value] : c.trace.otlp.headers) out.push_back({name});
         return out;
       })
      .Secret()
      .Also({"Telemetry.OtlpHeaders.<name>"});
  t.Add("Trace.Otlp.Timeout", Type::kDuration,
        "Of one attempt to export, and of what is still exported when the server stops.",
        [](Config& c) { return &c.trace.otlp.timeout_ms; })
      .Between(1, 60'000)
      .Also({"Trace.Otlp.TimeoutMs"});
  t.Add("Trace.Otlp.QueueMax", Type::kInteger,
        "Spans that wait for the collector, about 600 bytes each; more are dropped and counted.",
        [](Config& c) { return &c.trace.otlp.queue_max; })
      .Between(1, kMillion);
  t.Add("Trace.Otlp.BatchMax", Type::kInteger, "Spans of one export.", [](Config& c) {
     return &c.trace.otlp.batch_max;
   }).Between(1, 10'000);
  t.Add("Trace.Otlp.Gzip", Type::kBool, "Compress exports.",
        [](Config& c) { return &c.trace.otlp.gzip; });
}

}  // namespace weir::config

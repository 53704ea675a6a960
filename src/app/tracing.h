// Spans, from whoever makes them to the collector: the queue, the exporter, and an HTTP client that
// nobody else uses, so that a collector delays nothing.
#pragma once

#include <memory>

#include "app/config/config.h"
#include "base/clock.h"
#include "base/result.h"
#include "guard/breakers.h"
#include "net/client/client.h"
#include "net/client/otlp_exporter.h"
#include "observe/metrics.h"
#include "observe/span.h"

namespace weir::app {

class Tracing {
 public:
  // Null where nothing is to be exported. `breakers` must outlive it; "otlp" is the exporter's.
  static base::Result<std::unique_ptr<Tracing>> Start(const config::Config& config,
                                                      guard::Breakers& breakers,
                                                      const base::Clock& clock);

  observe::SpanQueue* queue() { return &queue_; }
  void Collect(observe::Sample& sample) const;
  // Sends what waits, for at most Trace.Otlp.Timeout.
  void Stop() { exporter_->Stop(); }

 private:
  explicit Tracing(observe::SpanQueue::Limits limits) : queue_(limits) {}

  observe::SpanQueue queue_;
  std::unique_ptr<net::Client> client_;
  std::unique_ptr<net::OtlpExporter> exporter_;
};

}  // namespace weir::app

// Sends spans to an OpenTelemetry collector over OTLP/HTTP, in the background.
//
// One thread takes spans out of their queue, a batch at a time, and one batch is under way at once,
// over a client and a breaker of the exporter's own: a collector that is slow, hangs or is away
// costs its time-out here and nothing anywhere else; meanwhile the queue fills, and what it has no
// room for is dropped and counted. A batch that the collector could not take (429, 502, 503, 504,
// or no answer) is sent again while the budget of retries allows it (retry_budget.h), after a wait
// that grows, or that the collector named; then, and after any other answer, it is dropped and
// counted. What the breaker holds back waits, and is no attempt.
//
// Threads: Start, Stop from the owner; stats() from any. Memory: the queue's, and one batch of at
// most batch_max spans and batch_bytes_max bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "guard/breakers.h"
#include "net/client/client.h"
#include "net/client/otlp_json.h"
#include "observe/counters.h"
#include "observe/span.h"

namespace weir::net {

struct OtlpOptions {
  std::string url;                                           // see OtlpTracesUrl()
  std::vector<std::pair<std::string, std::string>> headers;  // may be secret
  int timeout_ms = 10'000;  // of one attempt, and of all that is still sent at the end
  size_t batch_max = 512;
  size_t batch_bytes_max = 1u << 20;  // of the spans in memory; about what their JSON is
  int linger_ms = 1'000;              // how long a small batch may wait to become larger
  int retry_min_ms = 500;             // then doubled
  int retry_max_ms = 30'000;
  bool gzip = true;
  OtlpResource resource;
  uint64_t seed = 0;  // of the jitter
};

struct OtlpStats {
  uint64_t exported = 0;  // spans that the collector took
  uint64_t rejected = 0;  // that it did not want
  uint64_t failed = 0;    // that it could not be given
  uint64_t batches = 0;   // attempts
  observe::HistogramSnapshot took;
};

class OtlpExporter {
 public:
  // Everything given must outlive it; `client` must not be used for anything that a collector may
  // not delay. kInvalidArgument: a URL or a header that the client would refuse.
  static base::Result<std::unique_ptr<OtlpExporter>> Start(OtlpOptions options,
                                                           observe::SpanQueue& queue,
                                                           Client& client,
                                                           guard::Dependency& breaker,
                                                           const base::Clock& clock);
  virtual ~OtlpExporter() = default;  // stops

  // Closes the queue, sends what is in it for at most timeout_ms, counts the rest as failed.
  virtual void Stop() = 0;
  virtual OtlpStats stats() const = 0;
};

}  // namespace weir::net

// Tells targets of alerts: works off the outbox, and escalates what nobody acknowledged.
//
// One thread decides, and the HTTP client sends. A delivery is tried until the target has answered
// for good or it is given up on; then its outcome is journalled, and the control lane takes it out
// of the outbox. Until the outcome is durable a crash makes it be sent again, with the same
// Idempotency-Key; once it is durable it is never sent again, applied or not.
//
// A target that hangs, refuses or fails delays only its own deliveries: each target has its own
// order, waits, bound of attempts at once (target_queue.h) and breaker, and targets that have not
// proved that they answer share half of all attempts at most. What a breaker holds back is no
// attempt: it stays in the outbox, and is tried when the breaker lets it out.
//
// Threads: Notify() and stats() from any; Start and Stop from the owner. Memory: at most 2 ×
// waiting_per_target_max deliveries of each target, about 100 bytes each; the rest waits in the
// store. Errors: a store that cannot be read is tried again; when the journal has no space outcomes
// wait, and nothing new is sent; when it has stopped nothing is sent any more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "alerts/escalator.h"
#include "alerts/retry.h"
#include "alerts/routing.h"
#include "base/clock.h"
#include "base/result.h"
#include "guard/breakers.h"
#include "journal/journal.h"
#include "net/client/client.h"
#include "observe/log.h"
#include "observe/span.h"
#include "store/database.h"

namespace weir::alerts {

struct DeliveryOptions {
  RetryOptions retry;
  EscalationOptions escalation;
  int timeout_ms = 10'000;      // of one attempt
  unsigned in_flight_max = 50;  // attempts at once; the client must allow as many
  unsigned in_flight_per_target_max = 4;
  size_t waiting_per_target_max = 4096;  // urgent ones in memory, and as many others
  uint64_t seed = 0;                     // of the jitter
};

struct TargetStats {
  std::string name;
  uint64_t delivered = 0;
  uint64_t waiting = 0;  // in memory
  uint64_t in_flight = 0;
  uint64_t failures = 0;  // in a row, now
};

struct DeliveryStats {
  uint64_t delivered = 0;
  uint64_t rejected = 0;  // the target will never take it
  uint64_t given_up = 0;
  uint64_t retried = 0;  // attempts that failed and will be made again
  uint64_t in_flight = 0;
  uint64_t pending = 0;   // rows of the outbox, looked at every few seconds
  uint64_t unrouted = 0;  // seen in the outbox, to targets that are not configured: they wait
  uint64_t escalated = 0;
  std::vector<TargetStats> targets;
};

// Everything that the engine uses; all must outlive it.
struct DeliveryParts {
  store::Database& database;
  journal::Journal& journal;
  net::Client& client;
  const base::Clock& clock;
  observe::Log& log;
  guard::Breakers& breakers;            // "webhook:TARGET" each
  observe::SpanQueue* spans = nullptr;  // of attempts that are traced; null: nowhere
};

class DeliveryEngine {
 public:
  // kInvalidArgument: a target's URL that the client would refuse; names the target.
  static base::Result<std::unique_ptr<DeliveryEngine>> Start(const DeliveryOptions& options,
                                                             const Routing& routing,
                                                             const DeliveryParts& parts);
  virtual ~DeliveryEngine() = default;  // stops

  // The inbox was changed and committed, or the clock was. Never blocks.
  virtual void Notify() = 0;
  // Starts nothing more, journals the outcomes that are known, ends the thread. What is under way
  // is sent again after the next start.
  virtual void Stop() = 0;
  virtual DeliveryStats stats() const = 0;
};

}  // namespace weir::alerts

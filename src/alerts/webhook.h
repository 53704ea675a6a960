// What a target is sent: docs/alerts.md says what it must make of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "alerts/alert.h"
#include "alerts/routing.h"
#include "net/client/client.h"
#include "observe/trace.h"

namespace weir::alerts {

// The same for every attempt of one delivery, also after a crash and a rebuild, and different for
// every other one, also of another installation that tells the same target.
std::string IdempotencyKey(const Alert& alert, uint8_t stage, std::string_view target);

// `now_ms` is signed. `trace` becomes the traceparent, with the attempt's own span as the parent of
// what the target does; nothing: the alert's report had no trace.
net::ClientRequest MakeWebhook(const Alert& alert, uint8_t stage, const Target& target,
                               int64_t now_ms, const std::optional<observe::TraceContext>& trace);

}  // namespace weir::alerts

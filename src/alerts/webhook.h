// What a target is sent: docs/alerts.md says what it must make of it.
#pragma once

#include <cstdint>
#include <string>

#include "alerts/alert.h"
#include "alerts/routing.h"
#include "net/client/client.h"

namespace weir::alerts {

// The same for every attempt of one delivery, also after a crash and a rebuild, and different for
// every other one, also of another installation that tells the same target.
std::string IdempotencyKey(const Alert& alert, uint8_t stage, std::string_view target);

// `now_ms` is signed; `span` is any number but 0, for traceparent, which is sent if the alert's
// report had a trace.
net::ClientRequest MakeWebhook(const Alert& alert, uint8_t stage, const Target& target,
                               int64_t now_ms, uint64_t span);

}  // namespace weir::alerts

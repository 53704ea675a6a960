// From when a loop began to gather a report's batch to when that was durable.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/offset.h"
#include "observe/span.h"

namespace weir::epro {

// `trace_id` in hexadecimal digits, as a record's head has it; `request`: the span that it came in.
observe::Span DurableSpan(std::string_view trace_id, observe::SpanId request, base::Offset offset,
                          int64_t begun_ns, int64_t durable_ns);

}  // namespace weir::epro

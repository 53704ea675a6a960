#include "services/epro/durable_span.h"

namespace weir::epro {

observe::Span DurableSpan(std::string_view trace_id, observe::SpanId request, base::Offset offset,
                          int64_t begun_ns, int64_t durable_ns) {
  const observe::TraceContext of{
      .trace = observe::ParseTraceId(trace_id).value_or(observe::TraceId()),
      .parent = request,
      .sampled = true};
  return {.of = of,
          .id = observe::DeriveSpan(of, offset.value(), "journal"),
          .kind = observe::SpanKind::kInternal,
          .name = observe::SpanName::Durable(),
          .start_ns = begun_ns,
          .end_ns = durable_ns,
          .attributes = {observe::span_attributes::AtOffset(offset)}};
}

}  // namespace weir::epro

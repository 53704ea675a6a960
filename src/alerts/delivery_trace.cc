#include "alerts/delivery_trace.h"

#include "wire/envelope.h"

namespace weir::alerts {
namespace {

// The task that raises alerts: services/epro/effects.h.
constexpr std::string_view kAlertTask = "alert";

}  // namespace

std::optional<observe::TraceContext> TraceOf(const Alert& alert, const journal::Journal& journal,
                                             bool spans) {
  if (alert.trace_id.empty()) return std::nullopt;
  const auto trace = observe::ParseTraceId(alert.trace_id);
  if (!trace) return std::nullopt;
  observe::TraceContext context{.trace = *trace};
  const auto record = journal.ReadOne(alert.report);
  if (!record) return context;
  const auto head = wire::DecodeReport(record->head);
  if (!head) return context;
  context.state = head->trace_state;
  const auto request = observe::ParseSpanId(head->span);
  if (!request) return context;
  context.parent =
      spans ? observe::DeriveSpan({*trace, *request, true}, alert.report.value(), kAlertTask)
            : *request;
  context.sampled = true;
  return context;
}

observe::Span ToSpan(const TracedAttempt& attempt, const PendingDelivery& delivery,
                     std::string_view target, const base::Result<net::ClientResponse>& answer,
                     int64_t end_ns) {
  namespace attributes = observe::span_attributes;
  observe::Span span{.of = attempt.of,
                     .id = attempt.span,
                     .kind = observe::SpanKind::kClient,
                     .name = observe::SpanName::Webhook(target),
                     .start_ns = attempt.start_ns,
                     .end_ns = end_ns,
                     .failed = !answer || answer->status >= 400,
                     .attributes = {attributes::Method("POST"), attributes::Target(target),
                                    attributes::AtOffset(delivery.report),
                                    attributes::Attempt(delivery.attempts)}};
  span.attributes.push_back(answer ? attributes::Status(answer->status)
                                   : attributes::Failure(answer.error().code));
  return span;
}

}  // namespace weir::alerts

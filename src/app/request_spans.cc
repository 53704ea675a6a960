#include "app/request_spans.h"

#include <utility>

namespace weir::app {

RequestSpans::Begun RequestSpans::Open(const observe::TraceContext& context, net::Method method,
                                       std::string_view route, int64_t start_ns,
                                       observe::TraceIds& ids) {
  if (!queue_) return {.span = context.parent};
  if (free_.empty()) {
    if (entries_.size() >= kOpenMax) return {};
    entries_.emplace_back();
    free_.push_back(static_cast<uint32_t>(entries_.size()));
  }
  const uint32_t mark = free_.back();
  free_.pop_back();
  entries_[mark - 1] = {
      .of = context, .id = ids.NextSpan(), .method = method, .route = route, .start_ns = start_ns};
  return {.span = entries_[mark - 1].id, .mark = mark};
}

void RequestSpans::End(uint32_t mark, int status, int64_t now_ns) {
  const Entry& entry = entries_[mark - 1];
  const std::string_view method = net::Name(entry.method);
  observe::Span span{.of = entry.of,
                     .id = entry.id,
                     .kind = observe::SpanKind::kServer,
                     .name = observe::SpanName::Request(method, entry.route),
                     .start_ns = entry.start_ns,
                     .end_ns = now_ns,
                     .failed = status >= 500,
                     .attributes = {observe::span_attributes::Method(method),
                                    observe::span_attributes::Route(entry.route)}};
  if (status != 0) span.attributes.push_back(observe::span_attributes::Status(status));
  queue_->Add(std::move(span));
  free_.push_back(mark);
}

}  // namespace weir::app

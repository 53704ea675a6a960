#include "observe/span.h"

#include <chrono>

namespace weir::observe {
namespace {

SpanAttribute Number(std::string_view key, uint64_t value) {
  return {.key = key, .is_number = true, .number = static_cast<int64_t>(value), .text = {}};
}
SpanAttribute Text(std::string_view key, std::string_view text) {
  return {.key = key, .text = std::string(text)};
}

}  // namespace

SpanName SpanName::Request(std::string_view method, std::string_view route_template) {
  return SpanName(std::string(method) + " " + std::string(route_template));
}
SpanName SpanName::Durable() { return SpanName("journal"); }
SpanName SpanName::Task(std::string_view task) { return SpanName("task " + std::string(task)); }
SpanName SpanName::Webhook(std::string_view target) {
  return SpanName("webhook " + std::string(target));
}

namespace span_attributes {

SpanAttribute Method(std::string_view method) { return Text("http.request.method", method); }
SpanAttribute Route(std::string_view route_template) { return Text("http.route", route_template); }
SpanAttribute Status(int status) {
  return Number("http.response.status_code", static_cast<uint64_t>(status));
}
SpanAttribute AtOffset(base::Offset offset) {
  return Number("weir.journal.offset", offset.value());
}
SpanAttribute TaskName(std::string_view task) { return Text("weir.task", task); }
SpanAttribute WindowRecords(uint64_t records) { return Number("weir.window.records", records); }
SpanAttribute Ahead() { return Text("weir.lane", "express"); }
SpanAttribute Target(std::string_view name) { return Text("weir.target", name); }
SpanAttribute Attempt(uint64_t number) { return Number("weir.attempt", number); }
SpanAttribute Failure(base::ErrorCode code) { return Text("error.type", base::Name(code)); }
SpanAttribute Quarantined() { return Text("error.type", "quarantined"); }

}  // namespace span_attributes

size_t BytesOf(const Span& span) {
  size_t bytes = sizeof span + span.name.text().size() + span.of.state.size();
  for (const SpanAttribute& attribute : span.attributes) {
    bytes += sizeof attribute + attribute.text.size();
  }
  return bytes;
}

void SpanQueue::Add(Span span) {
  const size_t bytes = BytesOf(span);
  recorded_.fetch_add(1, std::memory_order_relaxed);
  if (!queue_.TryPush(std::move(span), bytes)) dropped_.fetch_add(1, std::memory_order_relaxed);
}

void SpanQueue::Drop() {
  recorded_.fetch_add(1, std::memory_order_relaxed);
  dropped_.fetch_add(1, std::memory_order_relaxed);
}

std::optional<Span> SpanQueue::Take(int timeout_ms) {
  return timeout_ms <= 0 ? queue_.TryPop() : queue_.PopFor(std::chrono::milliseconds(timeout_ms));
}

SpanQueue::Stats SpanQueue::stats() const {
  return {.recorded = recorded_.load(std::memory_order_relaxed),
          .dropped = dropped_.load(std::memory_order_relaxed),
          .waiting = queue_.size()};
}

}  // namespace weir::observe

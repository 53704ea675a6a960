// Spans: what was done for one traced request, from when to when. Queued here by whoever did it,
// and taken by the exporter (net/client/otlp_exporter.h).
//
// Only requests that are sampled have any, so an unsampled one costs a comparison. Nothing of a
// patient's can be said in one: names and attributes come from the functions below alone, and this
// list is the review, as in log_fields.h.
// Threads: SpanQueue from any; nothing waits, what does not fit is dropped and counted.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/offset.h"
#include "base/result.h"
#include "exec/bounded_queue.h"
#include "observe/trace.h"

namespace weir::observe {

// The numbers are OTLP's.
enum class SpanKind : uint8_t { kInternal = 1, kServer = 2, kClient = 3, kConsumer = 5 };

class SpanName {
 public:
  static SpanName Request(std::string_view method, std::string_view route_template);
  static SpanName Durable();                         // "journal"
  static SpanName Task(std::string_view task);       // "task cleanse"
  static SpanName Webhook(std::string_view target);  // a target's configured name, never its URL
  const std::string& text() const { return text_; }

 private:
  explicit SpanName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// Keys are those of OpenTelemetry's semantic conventions where they have one.
struct SpanAttribute {
  std::string_view key;
  bool is_number = false;
  int64_t number = 0;
  std::string text;
};

namespace span_attributes {
SpanAttribute Method(std::string_view method);
SpanAttribute Route(std::string_view route_template);  // never the path that was sent
SpanAttribute Status(int status);
SpanAttribute AtOffset(base::Offset offset);
SpanAttribute TaskName(std::string_view task);
SpanAttribute WindowRecords(uint64_t records);  // that were applied in the same transaction
SpanAttribute Ahead();                          // by the express lane
SpanAttribute Target(std::string_view name);
SpanAttribute Attempt(uint64_t number);  // from 1
SpanAttribute Failure(base::ErrorCode code);
SpanAttribute Quarantined();
}  // namespace span_attributes

struct Span {
  TraceContext of;  // the trace, and the span that this one is a child of
  SpanId id;
  SpanKind kind = SpanKind::kInternal;
  SpanName name;
  int64_t start_ns = 0;  // steady clock, likewise below
  int64_t end_ns = 0;
  bool failed = false;
  std::vector<SpanAttribute> attributes;
};

// What a span holds in memory, about.
size_t BytesOf(const Span& span);

class SpanQueue {
 public:
  struct Limits {
    size_t spans_max = 4096;
    size_t bytes_max = 8u << 20;
  };
  struct Stats {
    uint64_t recorded = 0;
    uint64_t dropped = 0;  // since there was no room
    size_t waiting = 0;
  };

  explicit SpanQueue(Limits limits)
      : queue_({.count_max = limits.spans_max, .bytes_max = limits.bytes_max}) {}

  void Add(Span span);
  // One that its maker had no room for.
  void Drop();
  // Waits for one for at most `timeout_ms`.
  std::optional<Span> Take(int timeout_ms);
  // Nothing more goes in; what is inside still comes out.
  void Close() { queue_.Close(); }
  size_t size() const { return queue_.size(); }
  Stats stats() const;

 private:
  exec::BoundedQueue<Span> queue_;
  std::atomic<uint64_t> recorded_{0};
  std::atomic<uint64_t> dropped_{0};
};

}  // namespace weir::observe

// Trace ids and the headers traceparent and tracestate, after W3C Trace Context (Recommendation,
// 2021-11-23).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::observe {

struct TraceId {
  std::array<uint8_t, 16> bytes{};
  bool operator==(const TraceId&) const = default;
  std::string hex() const;  // 32 lower-case digits
  void AppendHex(std::string& out) const;
};

struct SpanId {
  std::array<uint8_t, 8> bytes{};
  bool operator==(const SpanId&) const = default;
  bool none() const { return *this == SpanId(); }
  void AppendHex(std::string& out) const;  // 16 lower-case digits
  // As a record's head holds it: eight bytes.
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

struct TraceContext {
  TraceId trace;
  SpanId parent;
  bool sampled = false;
  std::string state = {};  // what came in tracestate beside it, to be passed on; empty: nothing
};

// Nothing unless `hex` is 32 lower-case digits, and not all zero.
std::optional<TraceId> ParseTraceId(std::string_view hex);
// Nothing unless `bytes` are eight, and not all zero.
std::optional<SpanId> ParseSpanId(std::string_view bytes);
// The same for the same arguments, and different for any others: a span that another process can
// name as its parent without having been told its id. `what` is a word of the program's own.
SpanId DeriveSpan(const TraceContext& of, uint64_t number, std::string_view what);

// Nothing for a header that is malformed, of version ff, or all zero: then a new trace begins.
std::optional<TraceContext> ParseTraceparent(std::string_view header);
// Of all tracestate headers of a request, in order, as one. Empty: one of them is malformed, a key
// stands in them twice, or they have more than 32 members or 512 characters together.
std::string JoinTracestate(std::span<const std::string_view> headers);
std::string FormatTraceparent(const TraceContext& context);

// Makes ids: unpredictable enough to be unique, not secrets. One per loop or thread.
class TraceIds {
 public:
  explicit TraceIds(uint64_t seed);
  static TraceIds Seeded();      // from the operating system
  TraceId NextTrace() noexcept;  // never all zero, likewise below
  SpanId NextSpan() noexcept;
  bool Sample(double share) noexcept;  // true for so many of all calls, 0 to 1

 private:
  uint64_t Next() noexcept;
  std::array<uint64_t, 4> state_;
};

// The caller's trace if it sent a good traceparent, else a new one.
TraceId TraceOf(std::string_view traceparent, TraceIds& ids);

}  // namespace weir::observe

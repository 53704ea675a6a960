// The fields that a log line may have. This list is the review: there is no way to log a value that
// is not one of these, and none of these takes what a patient sent. Ids of patients and reports,
// answers, people's names and tokens have no field; a record is named by its offset.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/offset.h"
#include "base/result.h"
#include "observe/trace.h"

namespace weir::observe {

// A string that stands in the source. A run-time string does not convert.
class Literal {
 public:
  template <size_t N>
  consteval Literal(const char (&text)[N]) : text_(text, N - 1) {}  // NOLINT: implicit on purpose
  constexpr std::string_view view() const { return text_; }

 private:
  std::string_view text_;
};

struct LogField {
  enum class Type : uint8_t { kInteger, kReal, kBool, kText };
  std::string_view name;
  Type type;
  int64_t integer = 0;
  double real = 0;
  std::string text;
};

// Of the journal.
LogField AtOffset(base::Offset offset);    // "offset"
LogField FromOffset(base::Offset offset);  // "from"
LogField ToOffset(base::Offset offset);    // "to"
// Quantities. `what` says of what: Count("connections", 3).
LogField Count(Literal what, uint64_t count);
LogField Bytes(uint64_t bytes);   // "bytes"
LogField DurationMs(int64_t ms);  // "duration_ms"
LogField Value(Literal what, double value);
LogField Flag(Literal what, bool value);
LogField Word(Literal what, Literal word);  // a word of the program's own
// HTTP.
LogField Route(Literal route_template);                    // "route": never the path that was sent
LogField HttpStatus(int status);                           // "status"
LogField Trace(const TraceId& id);                         // "trace_id"
LogField Listening(std::string_view host, uint16_t port);  // "address": one of our own
// Names that the operator configured or the program defines.
LogField TaskName(std::string_view task);       // "task"
LogField Target(std::string_view name);         // "target": a delivery target's name, no URL
LogField Instrument(std::string_view name);     // "instrument"
LogField DefinitionHash(std::string_view hex);  // "definition"
LogField ConfigKey(std::string_view path);      // "key": the key, never its value
LogField File(std::string_view path);           // "file": one of the program's own
LogField Version(std::string_view version);     // "version"
// Failures. An Error's message is a sentence for operators and has no patient's data in it
// (result.h).
LogField Because(const base::Error& error);  // "error"
LogField Signal(int number);                 // "signal": "SIGTERM"
LogField Errno(int number);                  // "errno": "ENOSPC"

}  // namespace weir::observe

#include "observe/log_fields.h"

#include <cstring>

namespace weir::observe {
namespace {

// What is longer is cut: a path or a sentence, never a document.
constexpr size_t kTextMax = 1024;

LogField Integer(std::string_view name, uint64_t value) {
  return {name, LogField::Type::kInteger, static_cast<int64_t>(value), 0, {}};
}
LogField Text(std::string_view name, std::string_view text) {
  return {name, LogField::Type::kText, 0, 0, std::string(text.substr(0, kTextMax))};
}

}  // namespace

LogField AtOffset(base::Offset offset) { return Integer("offset", offset.value()); }
LogField FromOffset(base::Offset offset) { return Integer("from", offset.value()); }
LogField ToOffset(base::Offset offset) { return Integer("to", offset.value()); }

LogField Count(Literal what, uint64_t count) { return Integer(what.view(), count); }
LogField Bytes(uint64_t bytes) { return Integer("bytes", bytes); }
LogField DurationMs(int64_t ms) { return Integer("duration_ms", static_cast<uint64_t>(ms)); }
LogField Value(Literal what, double value) {
  return {what.view(), LogField::Type::kReal, 0, value, {}};
}
LogField Flag(Literal what, bool value) {
  return {what.view(), LogField::Type::kBool, value ? 1 : 0, 0, {}};
}
LogField Word(Literal what, Literal word) { return Text(what.view(), word.view()); }

LogField Route(Literal route_template) { return Text("route", route_template.view()); }
LogField HttpStatus(int status) { return Integer("status", static_cast<uint64_t>(status)); }
LogField Trace(const TraceId& id) { return Text("trace_id", id.hex()); }
LogField Listening(std::string_view host, uint16_t port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return Text("address", (v6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" +
                             std::to_string(port));
}

LogField TaskName(std::string_view task) { return Text("task", task); }
LogField Target(std::string_view name) { return Text("target", name); }
LogField Instrument(std::string_view name) { return Text("instrument", name); }
LogField DefinitionHash(std::string_view hex) { return Text("definition", hex); }
LogField ConfigKey(std::string_view path) { return Text("key", path); }
LogField File(std::string_view path) { return Text("file", path); }
LogField Version(std::string_view version) { return Text("version", version); }

LogField Because(const base::Error& error) { return Text("error", base::ToString(error)); }
LogField Signal(int number) {
  const char* name = sigabbrev_np(number);
  return Text("signal", name == nullptr ? std::to_string(number) : "SIG" + std::string(name));
}
LogField Errno(int number) {
  const char* name = strerrorname_np(number);
  return Text("errno", name == nullptr ? std::to_string(number) : name);
}

}  // namespace weir::observe

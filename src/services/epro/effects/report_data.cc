#include "services/epro/effects/report_data.h"

#include <simdjson.h>

#include <cstring>
#include <memory>

namespace weir::epro {
namespace {

// Bodies were validated with a depth of their own; here only the memory must suffice.
constexpr size_t kDepthMax = 1024;
// Larger bodies are rare: what they needed is given back.
constexpr size_t kKeptCapacity = 64u << 10;

struct Scratch {
  simdjson::ondemand::parser parser;
  std::unique_ptr<char[]> padded;
  size_t capacity = 0;

  bool Prepare(std::string_view body) {
    if (body.size() > capacity || capacity > kKeptCapacity) {
      capacity = std::max(body.size(), size_t{4096});
      padded.reset(new char[capacity + simdjson::SIMDJSON_PADDING]);
      if (parser.allocate(capacity, kDepthMax) != simdjson::SUCCESS) return false;
    }
    std::memcpy(padded.get(), body.data(), body.size());
    std::memset(padded.get() + body.size(), ' ', simdjson::SIMDJSON_PADDING);
    return true;
  }
};

}  // namespace

std::string_view ReportData(std::string_view body) {
  thread_local Scratch scratch;
  if (!scratch.Prepare(body)) return {};
  const simdjson::padded_string_view padded(scratch.padded.get(), body.size(),
                                            scratch.capacity + simdjson::SIMDJSON_PADDING);
  simdjson::ondemand::document document;
  simdjson::ondemand::object report, object;
  simdjson::ondemand::value value;
  simdjson::ondemand::json_type type;
  std::string_view raw;
  if (scratch.parser.iterate(padded).get(document) || document.get_object().get(report) ||
      report.find_field_unordered("data").get(value) || value.type().get(type)) {
    return {};
  }
  if (type == simdjson::ondemand::json_type::object) {
    if (value.get(object) || object.raw_json().get(raw)) return {};
  } else {
    raw = value.raw_json_token();
  }
  while (!raw.empty() && static_cast<unsigned char>(raw.back()) <= ' ') raw.remove_suffix(1);
  return body.substr(static_cast<size_t>(raw.data() - scratch.padded.get()), raw.size());
}

}  // namespace weir::epro

// Appends JSON to a string, without building a document first.
//
//   JsonWriter json(out);
//   json.BeginObject().Key("id").String(id).Key("n").Number(3).EndObject();
//
// Commas are the writer's affair; balance and keys inside objects are the caller's. Strings that
// are not UTF-8 get U+FFFD for each bad byte, so the output is always valid.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::base {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(std::string_view name);
  JsonWriter& String(std::string_view text);
  JsonWriter& Number(int64_t value);
  JsonWriter& Number(uint64_t value);
  JsonWriter& Number(int value) { return Number(static_cast<int64_t>(value)); }
  JsonWriter& Number(double value);  // shortest form that reads back the same; not finite: null
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  JsonWriter& Raw(std::string_view json);  // must be one JSON value
  JsonWriter& Time(int64_t wall_ms);       // RFC 3339, UTC, milliseconds

 private:
  void BeforeValue();
  std::string& out_;
  bool comma_ = false;
};

// The text between the quotes.
void AppendJsonEscaped(std::string& out, std::string_view text);

}  // namespace weir::base

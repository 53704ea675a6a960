#include "app/simulate/trace.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/number.h"

namespace weir::app {
namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kSyncMsMax = 600'000;
constexpr int64_t kCpuAll = 1000;
constexpr int64_t kCallsMax = 10'000'000;
constexpr size_t kLineBytesMax = 255;

enum class Column : uint8_t { kAt, kService, kResult, kClass, kCount, kCpu, kSync };
constexpr size_t kColumns = 7;
constexpr size_t kRequired = 3;
constexpr std::array<std::string_view, kColumns> kNames = {"at_ms", "service_ms", "result", "class",
                                                           "count", "cpu",        "sync_ms"};

base::Error WrongLine(size_t number, std::string_view why) {
  return {base::ErrorCode::kInvalidArgument,
          "line " + std::to_string(number) + ": " + std::string(why)};
}

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  while (true) {
    const size_t comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

bool ParseNumber(std::string_view text, int64_t min, int64_t max, int64_t& out) {
  const auto number = base::ParseNumber<int64_t>(text);
  out = number.value_or(0);
  return number && out >= min && out <= max;
}

bool ParseClass(std::string_view text, guard::Criticality& out) {
  for (size_t i = 0; i < guard::kCriticalities; ++i) {
    out = static_cast<guard::Criticality>(i);
    if (guard::Name(out) == text) return true;
  }
  return false;
}

struct Line {
  TraceCall call;
  int64_t count = 1;
};

// What may stand in a column, if `text` may not; else empty.
std::string_view Parse(Column column, std::string_view text, Line& line) {
  int64_t number = 0;
  switch (column) {
    case Column::kAt:
      if (ParseNumber(text, 0, kDayMs, line.call.at_ms)) return {};
      return "whole milliseconds, from 0 to a day (86400000)";
    case Column::kService:
      if (ParseNumber(text, 0, kDayMs, line.call.service_ms)) return {};
      return "whole milliseconds, from 0 to a day (86400000)";
    case Column::kResult:
      line.call.fails = text == "fail";
      return line.call.fails || text == "ok" ? "" : "ok or fail";
    case Column::kClass:
      return ParseClass(text, line.call.of) ? "" : "urgent, report, metric, read or export";
    case Column::kCount:
      return ParseNumber(text, 1, kCallsMax, line.count) ? "" : "a number from 1 to 10000000";
    case Column::kCpu:
      if (!ParseNumber(text, 0, kCpuAll, number)) return "thousandths, from 0 to 1000";
      line.call.cpu = static_cast<int32_t>(number);
      return {};
    case Column::kSync:
      if (!ParseNumber(text, 1, kSyncMsMax, number)) return "whole milliseconds, from 1 to 600000";
      line.call.sync_ms = static_cast<int32_t>(number);
      return {};
  }
  return {};
}

base::Result<std::vector<Column>> ParseHeading(std::string_view line) {
  std::vector<Column> columns;
  for (const std::string_view name : Fields(line)) {
    const auto* const found = std::ranges::find(kNames, name);
    const auto column = static_cast<Column>(found - kNames.begin());
    const bool in_place = columns.size() >= kRequired || name == kNames[columns.size()];
    if (found == kNames.end() || !in_place || std::ranges::count(columns, column) > 0) break;
    columns.push_back(column);
  }
  if (columns.size() == Fields(line).size() && columns.size() >= kRequired) return columns;
  return tl::unexpected(WrongLine(
      1,
      "write the heading at_ms,service_ms,result, and after it what is told of class, count, "
      "cpu and sync_ms, each once"));
}

base::Result<Line> ParseLine(size_t number, std::string_view text,
                             const std::vector<Column>& columns) {
  Line line;
  const auto fields = Fields(text);
  if (fields.size() < kRequired || fields.size() > columns.size()) {
    return tl::unexpected(WrongLine(number, "has " + std::to_string(fields.size()) +
                                                " fields, and the heading " +
                                                std::to_string(columns.size())));
  }
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i >= kRequired && fields[i].empty()) continue;
    const std::string_view may_be = Parse(columns[i], fields[i], line);
    if (may_be.empty()) continue;
    return tl::unexpected(WrongLine(number, std::string(kNames[static_cast<size_t>(columns[i])]) +
                                                " is " + std::string(may_be)));
  }
  return line;
}

// One line without its end, which may be LF or CR LF. Null: there is none, or an error.
std::optional<std::string_view> NextLine(std::istream& in,
                                         std::array<char, kLineBytesMax + 1>& buffer) {
  in.getline(buffer.data(), static_cast<std::streamsize>(buffer.size()));
  if (in.fail()) return std::nullopt;
  std::string_view line(buffer.data(), static_cast<size_t>(in.gcount()));
  // It counts the LF, which it takes away.
  if (!in.eof()) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

base::Result<std::vector<TraceCall>> ReadTrace(std::istream& in) {
  std::vector<TraceCall> trace;
  std::vector<Column> columns;
  std::array<char, kLineBytesMax + 1> buffer{};
  size_t number = 1;
  for (; const auto text = NextLine(in, buffer); ++number) {
    if (number == 1) {
      WEIR_ASSIGN_OR_RETURN(columns, ParseHeading(*text));
      continue;
    }
    WEIR_ASSIGN_OR_RETURN(const Line line, ParseLine(number, *text, columns));
    if (!trace.empty() && line.call.at_ms < trace.back().at_ms) {
      return tl::unexpected(WrongLine(number, "calls must stand in order of time"));
    }
    if (static_cast<int64_t>(trace.size()) + line.count > kCallsMax) {
      return tl::unexpected(WrongLine(number, "too many calls: at most 10 million are replayed"));
    }
    trace.insert(trace.end(), static_cast<size_t>(line.count), line.call);
  }
  if (in.bad()) return tl::unexpected(base::Error{base::ErrorCode::kIo, "cannot be read"});
  if (!in.eof()) return tl::unexpected(WrongLine(number, "is longer than 255 bytes"));
  if (trace.empty()) return tl::unexpected(WrongLine(number, "the trace holds no call"));
  return trace;
}

}  // namespace weir::app

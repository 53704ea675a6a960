// The body of a submitted report: read, checked field by field, never changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::epro {

struct ReportLimits {
  size_t id_bytes_max = 128;
  size_t depth_max = 64;
};

// One thing wrong with one field: answered with 422, all of a body's at once.
struct FieldProblem {
  std::string path;    // "patient_id"
  std::string detail;  // what to change
};

// Views are valid until the next ParseReport() of the same thread, `data_json` as long as the body.
struct Report {
  std::string_view report_id;
  std::string_view patient_id;
  std::string_view study_id;  // "default" when not given
  std::string_view site_id;
  std::string_view doctor_id;
  std::string_view instrument;
  std::optional<int64_t> authored_ms;
  std::string_view data_json;  // the value of `data` as it was sent
};

struct ParsedReport {
  // The body is not one JSON object (400): says where and why. Empty if it is.
  std::string malformed;
  std::vector<FieldProblem> problems;  // 422
  Report report;
  bool ok() const { return malformed.empty() && problems.empty(); }
};

// Validates the whole body as JSON (RFC 8259, UTF-8), so that it may later be embedded as it is.
// Any thread.
ParsedReport ParseReport(std::string_view body, const ReportLimits& limits);

}  // namespace weir::epro

// Any bytes as the body of a report: refused with a reason, or read with every field inside its
// limits and `data` as it was sent; and what intake looks up in it is found without harm.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "clinical/evaluate.h"
#include "services/epro/report.h"

namespace {

using weir::epro::ParseReport;
using weir::epro::ReportLimits;

const weir::clinical::Catalog& Instruments() {
  static const auto catalog = weir::clinical::Catalog::Load("config/instruments");
  WEIR_CHECK_MSG(catalog.has_value(), "run it from the project's root");
  return **catalog;
}

void CheckId(std::string_view id, bool required, const ReportLimits& limits) {
  WEIR_CHECK(id.size() <= limits.id_bytes_max);
  WEIR_CHECK(!required || !id.empty());
  for (const char c : id) WEIR_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A copy of its own, so that a read past its end is seen.
  const std::string body(reinterpret_cast<const char*>(data), size);
  const ReportLimits limits{.id_bytes_max = 32, .depth_max = 16};
  const auto parsed = ParseReport(body, limits);
  if (!parsed.ok()) {
    for (const auto& problem : parsed.problems) {
      WEIR_CHECK(!problem.path.empty() && !problem.detail.empty());
    }
    return 0;
  }
  const auto& report = parsed.report;
  CheckId(report.report_id, true, limits);
  CheckId(report.patient_id, true, limits);
  CheckId(report.study_id, true, limits);
  CheckId(report.site_id, false, limits);
  CheckId(report.doctor_id, false, limits);
  CheckId(report.instrument, false, limits);
  WEIR_CHECK(report.data_json.data() >= body.data() &&
             report.data_json.data() + report.data_json.size() <= body.data() + body.size());
  WEIR_CHECK(report.data_json.front() == '"' || report.data_json.front() == '{');

  const auto look = weir::clinical::LookAt(Instruments(), report.instrument, report.data_json);
  const auto evaluated =
      weir::clinical::Evaluate(look.definition, report.data_json, {.received_ms = 0});
  if (look.definition != nullptr) WEIR_CHECK(look.triage.level == evaluated.level);
  return 0;
}

#include "services/epro/api.h"

namespace weir::epro {

std::vector<security::Route> IntakeRoutes(Intake& intake) {
  using security::Call;
  using security::Scope;
  constexpr auto kReport = guard::Criticality::kReport;
  const auto submit = [&intake](const Call& call) { intake.Submit(call); };
  const auto batch = [&intake](const Call& call) { return intake.BeginBatch(call); };
  return {
      {net::Method::kPost, "/submit", Scope::kSubmit, -1, submit, {}, kReport, true},
      {net::Method::kPost, "/api/v1/reports", Scope::kSubmit, -1, submit, {}, kReport, true},
      {net::Method::kPost, "/api/v1/reports:batch", Scope::kSubmit, -1, {}, batch, kReport, true},
  };
}

}  // namespace weir::epro

#include "services/epro/api.h"

namespace weir::epro {

std::vector<security::Route> IntakeRoutes(Intake& intake) {
  using security::Call;
  using security::Scope;
  const auto submit = [&intake](const Call& call) { intake.Submit(call); };
  const auto batch = [&intake](const Call& call) { return intake.BeginBatch(call); };
  return {
      {net::Method::kPost, "/submit", Scope::kSubmit, -1, submit, {}},
      {net::Method::kPost, "/api/v1/reports", Scope::kSubmit, -1, submit, {}},
      {net::Method::kPost, "/api/v1/reports:batch", Scope::kSubmit, -1, {}, batch},
  };
}

}  // namespace weir::epro

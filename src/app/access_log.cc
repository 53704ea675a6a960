#include "app/access_log.h"

namespace weir::app {

void AccessLog::Write(const Answer& answer) {
  const auto status = observe::HttpStatus(answer.status);
  if (!answer.route) return Write(answer, {status});
  const auto route = observe::Route(*answer.route);
  const auto took = observe::DurationMs(answer.took_ms);
  if (!answer.trace) return Write(answer, {route, status, took});
  Write(answer, {route, status, took, observe::Trace(*answer.trace)});
}

void AccessLog::Write(const Answer& answer, observe::Log::Fields fields) {
  if (IsFailure(answer.status, answer.let_in)) {
    log_.Info("access.failed", "a request was answered with an error of the server", fields);
  } else if (answer.status >= 400) {
    log_.Info("access.refused", "a request was refused", fields);
  } else {
    log_.Info("access", "a request was answered", fields);
  }
}

}  // namespace weir::app

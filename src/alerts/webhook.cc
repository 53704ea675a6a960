#include "alerts/webhook.h"

#include "alerts/signature.h"
#include "base/json_writer.h"
#include "base/sha256.h"

namespace weir::alerts {

namespace {

std::string MakeBody(const Alert& alert, uint8_t stage) {
  std::string body;
  base::JsonWriter json(body);
  json.BeginObject();
  json.Key("stage").String(stage == 0 ? "alert" : "escalation");
  WriteMembers(json, alert);
  json.EndObject();
  return body;
}

}  // namespace

std::string IdempotencyKey(const Alert& alert, uint8_t stage, std::string_view target) {
  std::string named;  // each part with its length, so that no two keys have the same bytes
  for (const std::string_view part :
       {std::string_view(alert.study_id), std::string_view(alert.report_id), target}) {
    named += std::to_string(part.size()) + ":";
    named += part;
  }
  named += std::to_string(alert.report.value()) + "." + std::to_string(stage);
  return base::Sha256(named).hex().substr(0, 32);
}

net::ClientRequest MakeWebhook(const Alert& alert, uint8_t stage, const Target& target,
                               int64_t now_ms, const std::optional<observe::TraceContext>& trace) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = target.url;
  request.body = MakeBody(alert, stage);
  request.headers = {{"Content-Type", "application/json"},
                     {"Idempotency-Key", IdempotencyKey(alert, stage, target.name)},
                     {"Weir-Signature", Sign(target.secret, now_ms / 1000, request.body)}};
  if (trace) request.headers.emplace_back("traceparent", observe::FormatTraceparent(*trace));
  if (trace && !trace->state.empty()) request.headers.emplace_back("tracestate", trace->state);
  request.response_bytes_max = 1024;  // of no use, but it lets the connection be used again
  return request;
}

}  // namespace weir::alerts

// What no single key can be wrong about.
#include <algorithm>

#include "app/config/schema.h"
#include "base/clock.h"
#include "net/networks.h"
#include "security/exposure.h"

namespace weir::config {
namespace {

// The host of "http://host[:port]/…"; IPv6 in brackets.
std::string HostOf(std::string_view url) {
  const size_t from = url.find("://");
  if (from == std::string_view::npos) return {};
  std::string_view rest = url.substr(from + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) rest.remove_prefix(at + 1);
  if (rest.starts_with('[')) return std::string(rest.substr(1, rest.find(']') - 1));
  return std::string(rest.substr(0, rest.find(':')));
}

void CheckTargets(const Alerts& alerts, std::vector<std::string>* wrong) {
  for (const auto& [name, target] : alerts.targets) {
    const std::string path = "Alerts.Targets." + name;
    const bool secure = target.url.starts_with("https://") && !HostOf(target.url).empty();
    const bool local =
        target.url.starts_with("http://") && security::IsLoopback(HostOf(target.url));
    if (!secure && !local) {
      wrong->push_back(path + ".Url: expected https://…, or http:// to a loopback address");
    }
    if (target.secret.empty()) {
      wrong->push_back(path + ".Secret: a target needs the key of its signature");
    }
  }
  const auto check = [&](const std::string& key, const std::string& name) {
    if (alerts.targets.contains(name)) return;
    wrong->push_back(key + ": there is no target '" + name + "' in Alerts.Targets");
  };
  if (!alerts.escalation_target.empty()) check("Alerts.EscalationTarget", alerts.escalation_target);
  for (size_t i = 0; i < alerts.routes.size(); ++i) {
    const std::string path = "Alerts.Routes." + std::to_string(i) + ".Targets";
    if (alerts.routes[i].targets.empty()) wrong->push_back(path + ": a route needs a target");
    for (const std::string& name : alerts.routes[i].targets) check(path, name);
  }
}

void CheckTrace(const Otlp& otlp, std::vector<std::string>* wrong) {
  const std::string& url = otlp.endpoint;
  if (url.empty() || url.find("://") == std::string::npos) return;
  const std::string host = HostOf(url);
  if ((url.starts_with("https://") && !host.empty()) ||
      (url.starts_with("http://") && security::IsLoopback(host))) {
    return;
  }
  wrong->push_back("Trace.Otlp.Endpoint: expected https://…, or http:// to a loopback address");
}

}  // namespace

std::vector<std::string> CheckWhole(const Config& config) {
  std::vector<std::string> wrong;
  const auto ordered = [&](bool good, const char* low, const char* high) {
    if (!good) wrong.push_back(std::string(low) + " must not exceed " + high);
  };
  ordered(config.alerts.retry_min_ms <= config.alerts.retry_max_ms, "Alerts.RetryMin",
          "Alerts.RetryMax");
  ordered(config.tasks.engine.retry_first_ms <= config.tasks.engine.retry_max_ms,
          "Tasks.RetryFirst", "Tasks.RetryMax");
  ordered(config.http.request_timeout_ms <= config.http.request_timeout_max_ms,
          "Http.RequestTimeout", "Http.RequestTimeoutMax");
  ordered(config.http.batch_line_bytes_max <= config.journal.options.batch_bytes_max,
          "Http.BatchLineBytesMax", "Journal.BatchBytesMax");
  ordered(config.http.limits.body_bytes_max <= config.journal.options.batch_bytes_max,
          "Http.BodyBytesMax", "Journal.BatchBytesMax");
  ordered(config.journal.options.batch_bytes_max <= config.journal.options.pending_bytes_max,
          "Journal.BatchBytesMax", "Journal.PendingBytesMax");
  if (config.tls.cert_file.empty() != config.tls.key_file.empty()) {
    wrong.push_back("Tls.CertFile and Tls.KeyFile need each other");
  }
  if ((config.tls.client_auth == "none") != config.tls.client_ca.empty()) {
    wrong.push_back("Tls.ClientAuth and Tls.ClientCa need each other");
  }
  if (config.port != 0 && config.port == config.admin.port && config.host == config.admin.host) {
    wrong.push_back("Port and Admin.Port must differ");
  }
  if (config.data_dir.empty()) wrong.push_back("DataDir must name a directory");
  if (config.journal.archive.after_days > 0 && config.journal.archive.directory.empty()) {
    wrong.push_back("Journal.Archive.AfterDays needs Journal.Archive.Directory");
  }
  if (const auto proxies = net::Networks::Parse(config.rate_limits.trusted_proxies); !proxies) {
    wrong.push_back("RateLimits.TrustedProxies: " + proxies.error().message);
  }
  CheckTargets(config.alerts, &wrong);
  CheckTrace(config.trace.otlp, &wrong);
  for (const auto& [id, study] : config.studies) {
    const std::string& start = study.schedule.start;
    if (start.empty() || (start.size() == 10 && base::ParseTime(start))) continue;
    wrong.push_back("Studies." + id + ".Schedule.Start: expected a date such as 2026-11-24");
  }
  return wrong;
}

}  // namespace weir::config

#include "app/wiring.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>

#include "app/version.h"
#include "io/file_system.h"
#include "services/epro/schema.h"

namespace weir::app {

std::string JournalDirectory(const config::Config& config) {
  return io::JoinPath(config.data_dir, "journal");
}

std::string StorePath(const config::Config& config) {
  return io::JoinPath(config.data_dir, "weir.db");
}

std::string InstrumentsDirectory(const config::Config& config) {
  namespace fs = std::filesystem;
  const std::string& directory = config.instruments_directory;
  std::error_code ignored;
  if (fs::exists(directory, ignored) || directory != config::Config{}.instruments_directory) {
    return directory;
  }
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  for (fs::path at = program.parent_path(); at.has_relative_path(); at = at.parent_path()) {
    if (fs::exists(at / directory, ignored)) return (at / directory).string();
  }
  return directory;
}

observe::LogOptions LogOptions(const config::Config& config) {
  observe::LogOptions options;
  options.level = observe::ParseLevel(config.log.level).value_or(observe::Level::kInfo);
  options.file = config.log.file;
  options.file_bytes_max = config.log.file_bytes_max;
  options.files_max = config.log.files_max;
  options.burst = config.log.burst;
  options.per_second = config.log.per_second;
  return options;
}

alerts::RoutingOptions RoutingOptions(const config::Config& config) {
  alerts::RoutingOptions options;
  for (const auto& [name, target] : config.alerts.targets) {
    options.targets.push_back({.name = name, .url = target.url, .secret = target.secret});
  }
  for (const config::AlertRoute& route : config.alerts.routes) {
    options.routes.push_back({.study_id = route.study,
                              .site_id = route.site,
                              .doctor_id = route.doctor,
                              .targets = route.targets});
  }
  options.escalation_target = config.alerts.escalation_target;
  return options;
}

alerts::DeliveryOptions DeliveryOptions(const config::Config& config, const base::Clock& clock) {
  alerts::DeliveryOptions options;
  options.retry.min_ms = config.alerts.retry_min_ms;
  options.retry.max_ms = config.alerts.retry_max_ms;
  options.retry.give_up_after_ms = config.alerts.give_up_after_ms;
  options.escalation.after_ms = config.alerts.escalate_after_ms;
  options.timeout_ms = config.alerts.timeout_ms;
  options.in_flight_max = config.alerts.max_in_flight;
  options.in_flight_per_target_max = config.alerts.max_in_flight_per_target;
  options.seed = static_cast<uint64_t>(clock.WallMs());
  return options;
}

tasks::EngineOptions EngineOptions(const config::Config& config) {
  tasks::EngineOptions options = config.tasks.engine;
  options.paused = config.tasks.paused.all;
  return options;
}

epro::ScheduleOf Schedules(const config::Config& config) {
  std::map<std::string, epro::StudySchedule> schedules;
  for (const auto& [study, settings] : config.studies) {
    const config::Schedule& from = settings.schedule;
    if (from.every_days == 0) continue;
    epro::StudySchedule& to = schedules[study];
    to.schedule = {.reports = 1, .period_days = static_cast<uint32_t>(from.every_days)};
    to.first_day = epro::ParseDay(from.start);
    to.days = from.days;
  }
  return [schedules](const std::string& study) -> std::optional<epro::StudySchedule> {
    const auto found = schedules.find(study);
    if (found == schedules.end()) return std::nullopt;
    return found->second;
  };
}

net::TlsOptions TlsOptions(const config::Config& config) {
  const config::Tls& from = config.tls;
  net::TlsOptions options;
  options.cert_file = from.cert_file;
  options.key_file = from.key_file;
  options.tls13_only = from.min_version == "1.3";
  options.client_certificates = from.client_auth == "required" ? net::ClientCertificates::kRequired
                                : from.client_auth == "optional"
                                    ? net::ClientCertificates::kOptional
                                    : net::ClientCertificates::kNone;
  options.client_ca_file = from.client_ca;
  options.ticket_rotation_ms = from.ticket_rotation_ms;
  options.handshakes_max = from.handshakes_max;
  return options;
}

guard::GateOptions GateOptions(const config::Config& config) {
  guard::GateOptions options;
  options.mode = !config.middlewares.shedder       ? guard::ShedderMode::kOff
                 : config.shedder.mode == "gozero" ? guard::ShedderMode::kGoZero
                                                   : guard::ShedderMode::kAuto;
  options.dry_run = config.shedder.dry_run;
  options.cpu_threshold = config.shedder.cpu_threshold;
  options.in_flight_max = static_cast<int64_t>(config.shedder.max_concurrency);
  options.queueing_max = static_cast<int64_t>(config.shedder.max_queueing);
  return options;
}

guard::BreakersOptions BreakersOptions(const config::Config& config) {
  constexpr int64_t kNsPerMs = 1'000'000;
  guard::BreakersOptions options{.on = config.middlewares.breaker};
  const config::Breaker& from = config.breaker;
  options.breaker = {
      .mode = from.mode == "google" ? guard::BreakerMode::kGoogle : guard::BreakerMode::kStates,
      .calls_min = from.calls_min,
      .failures_share = from.failures_share,
      .slow_ns = from.slow_ms * kNsPerMs,
      .open_ns = from.open_ms * kNsPerMs,
      .probes = from.probes};
  return options;
}

guard::RateLimitOptions RateLimitOptions(const config::Config& config) {
  const auto rate = [](const config::RateLimit& limit) -> guard::Rate {
    const uint64_t second = static_cast<uint64_t>(std::max(1.0, std::ceil(limit.per_second)));
    return {.per_second = limit.per_second,
            .burst = static_cast<int64_t>(limit.burst > 0 ? limit.burst : second)};
  };
  const config::RateLimits& limits = config.rate_limits;
  // In the order of guard::LimitKind.
  return {
      .rates = {rate(limits.address), rate(limits.token), rate(limits.study), rate(limits.route)},
      .keys_max = limits.keys_max};
}

net::OtlpOptions OtlpOptions(const config::Config& config, const base::Clock& clock) {
  const config::Trace& trace = config.trace;
  return {
      .url = net::OtlpTracesUrl(trace.otlp.endpoint),
      .headers = {trace.otlp.headers.begin(), trace.otlp.headers.end()},
      .timeout_ms = trace.otlp.timeout_ms,
      .batch_max = trace.otlp.batch_max,
      .gzip = trace.otlp.gzip,
      .resource = {.service_name = trace.service_name.empty() ? config.name : trace.service_name,
                   .service_version = kVersion},
      .seed = static_cast<uint64_t>(clock.WallMs())};
}

epro::IntakeOptions IntakeOptions(const config::Config& config) {
  epro::IntakeOptions options;
  options.limits.id_bytes_max = config.http.id_bytes_max;
  options.limits.depth_max = config.http.json_depth_max;
  options.deadline_ms = config.http.request_timeout_ms;
  options.line_bytes_max = config.http.batch_line_bytes_max;
  options.lines_waiting_max = config.http.batch_lines_waiting_max;
  options.batches_max = config.http.batches_max;
  return options;
}

base::Result<std::unique_ptr<store::Database>> OpenStore(const config::Config& config) {
  store::SqliteOptions options = config.store.sqlite;
  options.path = StorePath(config);
  WEIR_ASSIGN_OR_RETURN(auto database, store::OpenSqlite(options));
  WEIR_RETURN_IF_ERROR(database->Migrate(epro::StoreMigrations()));
  return database;
}

}  // namespace weir::app

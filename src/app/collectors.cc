#include "app/collectors.h"

#include <string>

#include "base/number.h"
#include "observe/counters.h"

namespace weir::app {
namespace {

double Seconds(uint64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace

void CollectJournal(const journal::Stats& stats, observe::Sample& sample) {
  sample.Gauge("weir_journal_durable_offset", "Everything below this offset is on disk",
               base::ToDouble(stats.end.value()));
  sample.Counter("weir_journal_records_total", "Records written", base::ToDouble(stats.records));
  sample.Counter("weir_journal_bytes_total", "Bytes written", base::ToDouble(stats.bytes_written));
  sample.Histogram("weir_journal_sync_seconds", "How long each fdatasync took", stats.sync);
  sample.Gauge("weir_journal_pending_records", "Records handed over and not yet durable",
               base::ToDouble(stats.pending_records));
  sample.Gauge("weir_journal_pending_bytes", "Bytes handed over and not yet durable",
               base::ToDouble(stats.pending_bytes));
  sample.Gauge("weir_journal_disk_bytes", "Size of the segments on disk",
               base::ToDouble(stats.disk_bytes));
  sample.Gauge("weir_journal_no_space", "1 while there is no room for a segment",
               stats.no_space ? 1 : 0);
}

void CollectServer(const net::ServerStats& stats, observe::Sample& sample) {
  sample.Gauge("weir_http_connections", "Connections open now", base::ToDouble(stats.connections));
  sample.Counter("weir_http_connections_total", "Connections accepted",
                 base::ToDouble(stats.accepted));
  sample.Counter("weir_http_connections_refused_total",
                 "Connections closed at once: over the limit", base::ToDouble(stats.refused));
  sample.Counter("weir_http_requests_total", "Requests whose header was complete",
                 base::ToDouble(stats.requests));
  sample.Counter("weir_http2_connections_total", "Connections that turned out to speak HTTP/2",
                 base::ToDouble(stats.http2_connections));
  sample.Counter("weir_http2_streams_refused_total",
                 "Requests refused that waited behind answers which their client does not take",
                 base::ToDouble(stats.http2_streams_refused));
  sample.Counter("weir_http2_floods_total", "Connections ended for a flood of frames",
                 base::ToDouble(stats.http2_floods));
  sample.Counter("weir_http_timeouts_total", "Connections that were too slow",
                 base::ToDouble(stats.timeouts));
  sample.Counter("weir_http_received_bytes_total", "Bytes read from sockets",
                 base::ToDouble(stats.bytes_in));
  sample.Counter("weir_http_sent_bytes_total", "Bytes written to sockets",
                 base::ToDouble(stats.bytes_out));
  static constexpr std::string_view kClasses[] = {"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (size_t i = 2; i < 6; ++i) {
    sample.Counter("weir_http_responses_total", "Answers by class of status",
                   base::ToDouble(stats.responses_by_class[i]), {{"class", kClasses[i]}});
  }
}

void CollectTasks(const std::vector<tasks::TaskStatus>& tasks, const tasks::EngineStats& engine,
                  observe::Sample& sample) {
  for (const tasks::TaskStatus& task : tasks) {
    const observe::Labels labels = {{"task", task.name}};
    sample.Gauge("weir_task_cursor", "Everything below is applied or quarantined",
                 base::ToDouble(task.cursor.value()), labels);
    sample.Gauge("weir_task_lag", "Durable records that the task has not applied yet",
                 base::ToDouble(task.lag), labels);
    sample.Gauge("weir_task_quarantined", "Records in the task's quarantine",
                 base::ToDouble(task.quarantined), labels);
    for (const tasks::TaskState state :
         {tasks::TaskState::kRunning, tasks::TaskState::kPaused, tasks::TaskState::kStalled}) {
      sample.Gauge("weir_task_state", "1 for the state that the task is in",
                   task.state == state ? 1 : 0,
                   {{"task", task.name}, {"state", tasks::Name(state)}});
    }
  }
  sample.Counter("weir_tasks_windows_total", "Windows committed", base::ToDouble(engine.windows));
  sample.Counter("weir_tasks_records_total", "Records in committed windows",
                 base::ToDouble(engine.records));
  sample.Counter("weir_tasks_express_commits_total", "Commits of the express lane",
                 base::ToDouble(engine.express_commits));
  sample.Counter("weir_tasks_express_records_total", "Records worked off by the express lane",
                 base::ToDouble(engine.express_records));
  sample.Counter("weir_tasks_commit_failures_total", "Transactions that failed and are tried again",
                 base::ToDouble(engine.commit_failures));
  sample.Counter("weir_tasks_apply_seconds_total", "Time from begin to commit of windows",
                 Seconds(engine.apply_ns));
  sample.Counter("weir_tasks_commit_seconds_total", "Time in commits of windows",
                 Seconds(engine.commit_ns));
  sample.Gauge("weir_tasks_queued_records", "Records read and not yet applied",
               base::ToDouble(engine.queued_records));
  sample.Gauge("weir_tasks_queued_bytes", "Their size", base::ToDouble(engine.queued_bytes));
}

void CollectAlerts(const alerts::DeliveryStats& delivery, const alerts::StreamStats& stream,
                   observe::Sample& sample) {
  static constexpr std::string_view kHelp = "Deliveries that have ended, by outcome";
  sample.Counter("weir_alert_deliveries_total", kHelp, base::ToDouble(delivery.delivered),
                 {{"outcome", "delivered"}});
  sample.Counter("weir_alert_deliveries_total", kHelp, base::ToDouble(delivery.rejected),
                 {{"outcome", "rejected"}});
  sample.Counter("weir_alert_deliveries_total", kHelp, base::ToDouble(delivery.given_up),
                 {{"outcome", "given_up"}});
  sample.Counter("weir_alert_delivery_retries_total", "Attempts that failed and are made again",
                 base::ToDouble(delivery.retried));
  sample.Gauge("weir_alert_deliveries_in_flight", "Attempts under way",
               base::ToDouble(delivery.in_flight));
  sample.Gauge("weir_alert_deliveries_pending", "Deliveries in the outbox",
               base::ToDouble(delivery.pending));
  sample.Counter("weir_alert_deliveries_unrouted_total",
                 "Deliveries to targets that are no longer configured",
                 base::ToDouble(delivery.unrouted));
  sample.Counter("weir_alerts_escalated_total", "Alerts escalated by this process",
                 base::ToDouble(delivery.escalated));
  for (const alerts::TargetStats& target : delivery.targets) {
    const observe::Labels labels = {{"target", target.name}};
    sample.Counter("weir_alert_target_delivered_total", "Deliveries that the target took",
                   base::ToDouble(target.delivered), labels);
    sample.Gauge("weir_alert_target_waiting", "Deliveries that wait for the target",
                 base::ToDouble(target.waiting), labels);
    sample.Gauge("weir_alert_target_failures", "Failures in a row, now",
                 base::ToDouble(target.failures), labels);
  }
  sample.Gauge("weir_alert_stream_subscribers", "Clients that follow the stream",
               base::ToDouble(stream.subscribers));
  sample.Counter("weir_alert_stream_refused_total", "Clients over the limit",
                 base::ToDouble(stream.refused));
  sample.Counter("weir_alert_stream_dropped_total", "Clients ended because they took nothing",
                 base::ToDouble(stream.dropped));
  sample.Counter("weir_alert_stream_events_total", "Events handed to clients",
                 base::ToDouble(stream.events));
}

void CollectTls(net::TlsContext& tls, observe::Sample& sample) {
  net::TlsStats& stats = tls.stats();
  const auto handshakes = [&](std::string_view outcome, const std::atomic<uint64_t>& count) {
    sample.Counter("weir_tls_handshakes_total", "Handshakes that have ended, by outcome",
                   base::ToDouble(count.load(std::memory_order_relaxed)), {{"outcome", outcome}});
  };
  handshakes("full", stats.full);
  handshakes("resumed", stats.resumed);
  handshakes("plain_http", stats.plain_http);
  handshakes("incompatible", stats.incompatible);
  handshakes("certificate", stats.certificate);
  handshakes("broken", stats.broken);
  handshakes("stalled", stats.stalled);
  sample.Gauge("weir_tls_certificate_expires_seconds", "When the certificate ends, since 1970",
               static_cast<double>(tls.expires_ms()) / 1000);
}

void CollectBreakers(const std::vector<guard::BreakerStatus>& breakers, observe::Sample& sample) {
  for (const guard::BreakerStatus& status : breakers) {
    for (const auto state : {guard::BreakerState::kClosed, guard::BreakerState::kOpen,
                             guard::BreakerState::kHalfOpen}) {
      sample.Gauge("weir_breaker_state", "1 for the state that the breaker is in",
                   status.state == state ? 1 : 0,
                   {{"dependency", status.name}, {"state", guard::Name(state)}});
    }
    sample.Counter("weir_breaker_opened_total", "How often the breaker opened",
                   base::ToDouble(status.opened), {{"dependency", status.name}});
    sample.Counter("weir_breaker_rejected_total", "Calls that the breaker held back",
                   base::ToDouble(status.rejected), {{"dependency", status.name}});
    const auto calls = [&](std::string_view outcome, uint64_t count) {
      sample.Counter("weir_breaker_calls_total", "Calls that went out and ended, by outcome",
                     base::ToDouble(count), {{"dependency", status.name}, {"outcome", outcome}});
    };
    calls("succeeded", status.succeeded);
    calls("failed", status.failed);
    calls("ignored", status.ignored);
  }
}

void CollectIntake(const std::vector<const epro::IntakeStats*>& loops, observe::Sample& sample) {
  const auto sum = [&](std::atomic<uint64_t> epro::IntakeStats::*member) {
    uint64_t total = 0;
    for (const epro::IntakeStats* stats : loops) {
      total += (stats->*member).load(std::memory_order_relaxed);
    }
    return base::ToDouble(total);
  };
  const auto outcome = [&](std::string_view name,
                           std::atomic<uint64_t> epro::IntakeStats::*member) {
    sample.Counter("weir_reports_total", "Reports answered, by outcome", sum(member),
                   {{"outcome", name}});
  };
  outcome("stored", &epro::IntakeStats::stored);
  outcome("repeated", &epro::IntakeStats::repeated);
  outcome("conflict", &epro::IntakeStats::conflicts);
  outcome("invalid", &epro::IntakeStats::invalid);
  outcome("expired", &epro::IntakeStats::expired);
  outcome("no_space", &epro::IntakeStats::no_space);
  outcome("busy", &epro::IntakeStats::busy);
  sample.Counter("weir_reports_urgent_total", "Reports that triage found urgent",
                 sum(&epro::IntakeStats::urgent));
  sample.Counter("weir_reports_unknown_instrument_total",
                 "Reports that name an instrument that is not in force",
                 sum(&epro::IntakeStats::unknown_instrument));
}

void CollectLog(const observe::LogStats& stats, observe::Sample& sample) {
  sample.Counter("weir_log_lines_total", "Lines written", base::ToDouble(stats.lines));
  sample.Counter("weir_log_suppressed_total", "Lines held back by the rate limit",
                 base::ToDouble(stats.suppressed));
  sample.Counter("weir_log_dropped_total", "Lines lost because the output was too slow",
                 base::ToDouble(stats.dropped));
}

}  // namespace weir::app

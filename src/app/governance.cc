#include "app/governance.h"

#include <string>

#include "app/wiring.h"
#include "base/keyed_hash.h"
#include "base/number.h"

namespace weir::app {
namespace {

// As go-zero samples it (core/stat/usage.go).
constexpr int kCpuSampleMs = 250;

void CollectCounts(const std::vector<std::unique_ptr<guard::Gate>>& gates,
                   observe::Sample& sample) {
  for (size_t i = 0; i < guard::kCriticalities; ++i) {
    const std::string name(guard::Name(static_cast<guard::Criticality>(i)));
    uint64_t admitted = 0;
    for (const auto& gate : gates) {
      admitted += gate->stats().admitted[i].load(std::memory_order_relaxed);
    }
    sample.Counter("weir_guard_admitted_total", "Requests let in, by what they are worth",
                   base::ToDouble(admitted), {{"class", name}});
    for (size_t r = 0; r < guard::kReasons; ++r) {
      const std::string reason(guard::Name(static_cast<guard::Reason>(r)));
      uint64_t shed = 0, would_shed = 0;
      for (const auto& gate : gates) {
        shed += gate->stats().shed[i].count[r].load(std::memory_order_relaxed);
        would_shed += gate->stats().would_shed[i].count[r].load(std::memory_order_relaxed);
      }
      sample.Counter("weir_guard_shed_total", "Requests answered 503 instead", base::ToDouble(shed),
                     {{"class", name}, {"reason", reason}});
      sample.Counter("weir_guard_would_shed_total",
                     "Requests that would have been shed, but for a dry run",
                     base::ToDouble(would_shed), {{"class", name}, {"reason", reason}});
    }
  }
}

}  // namespace

base::Result<std::unique_ptr<Governance>> Governance::Make(const config::Config& config,
                                                           const base::Clock& clock) {
  WEIR_ASSIGN_OR_RETURN(auto trusted, net::Networks::Parse(config.rate_limits.trusted_proxies));
  return std::unique_ptr<Governance>(
      new Governance(config, net::LoopsOf(config.http.loops), std::move(trusted), clock));
}

Governance::Governance(const config::Config& config, unsigned loops, net::Networks trusted,
                       const base::Clock& clock)
    : clock_(clock),
      gate_options_(GateOptions(config)),
      crowd_(loops),
      limits_(RateLimitOptions(config), base::DrawSecret()),
      times_(loops),
      access_share_(config.log.access_share),
      trusted_(std::make_shared<const net::Networks>(std::move(trusted))),
      gates_(loops) {}

guard::Gate& Governance::GateOf(net::Loop& loop) {
  const std::lock_guard lock(mutex_);
  auto& gate = gates_[loop.index()];
  gate = std::make_unique<guard::Gate>(gate_options_, crowd_, loop.index(), base::DrawSecret(),
                                       clock_.SteadyNs());
  Tick(loop, *gate);
  return *gate;
}

void Governance::Tick(net::Loop& loop, guard::Gate& gate) {
  if (loop.index() == 0) {
    cpu_.store(meter_.Sample(clock_.SteadyNs()), std::memory_order_relaxed);
  }
  gate.Cpu(cpu_.load(std::memory_order_relaxed));
  loop.After(kCpuSampleMs, [this, &loop, &gate] { Tick(loop, gate); });
}

std::shared_ptr<const net::Networks> Governance::trusted_proxies() const {
  const std::lock_guard lock(mutex_);
  return trusted_;
}

base::Status Governance::Reload(const config::Config& config, net::Server& server) {
  WEIR_ASSIGN_OR_RETURN(auto trusted, net::Networks::Parse(config.rate_limits.trusted_proxies));
  limits_.Configure(RateLimitOptions(config));
  access_share_.store(config.log.access_share, std::memory_order_relaxed);
  const guard::GateOptions options = GateOptions(config);
  const std::lock_guard lock(mutex_);
  trusted_ = std::make_shared<const net::Networks>(std::move(trusted));
  for (unsigned i = 0; i < server.loops(); ++i) {
    server.loop(i).Post([gate = gates_[i].get(), options] { gate->Configure(options); });
  }
  return {};
}

void Governance::CollectTimes(observe::Sample& sample) const {
  for (size_t i = 0; i < guard::kCriticalities; ++i) {
    observe::HistogramSnapshot all;
    times_.ForEach([&](const RequestTimes& times) { times[i].AddTo(all); });
    const std::string_view name = guard::Name(static_cast<guard::Criticality>(i));
    sample.Histogram("weir_http_request_seconds",
                     "From a request to its answer, of what was let in", all, {{"class", name}});
  }
}

void Governance::Collect(observe::Sample& sample) const {
  const std::lock_guard lock(mutex_);
  CollectCounts(gates_, sample);
  sample.Gauge("weir_guard_in_flight", "Requests let in and not yet answered",
               static_cast<double>(crowd_.in_flight()));
  sample.Gauge("weir_guard_queueing", "Reports that wait for the disk",
               static_cast<double>(crowd_.queueing()));
  sample.Gauge("weir_guard_cpu_ratio", "CPU use, of what may be used",
               static_cast<double>(cpu_.load(std::memory_order_relaxed)) / 1000);
  for (size_t i = 0; i < gates_.size(); ++i) {
    const guard::GateStats& stats = gates_[i]->stats();
    const std::string loop = std::to_string(i);
    const observe::Labels labels = {{"loop", loop}};
    sample.Gauge("weir_guard_loop_lag_seconds", "How long what is ready waits to be read",
                 static_cast<double>(stats.lag_ns.load(std::memory_order_relaxed)) * 1e-9, labels);
    sample.Gauge("weir_guard_shed_share", "Share of arrivals that the processors cannot take",
                 stats.shed_share.load(std::memory_order_relaxed), labels);
    sample.Gauge("weir_guard_queue_limit", "Reports that may wait for the disk; 0: no limit",
                 static_cast<double>(stats.queue_limit.load(std::memory_order_relaxed)), labels);
  }
  for (size_t i = 0; i < guard::kLimitKinds; ++i) {
    const auto kind = static_cast<guard::LimitKind>(i);
    sample.Counter("weir_rate_limited_total", "Requests answered 429, by what was over its limit",
                   base::ToDouble(limits_.refused(kind)),
                   {{"limit", std::string(guard::Name(kind))}});
  }
}

}  // namespace weir::app

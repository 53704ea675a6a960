// What governs all that comes in: a gate per loop, the rate limits of all, the CPU that they go by,
// and the share of the answers that is logged.
//
// Threads: GateOf() before the loop runs; Reload(), Collect() and CollectTimes() from any; the rest
// from the loops. Outlives the server, whose loops its timers run on.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "app/config/config.h"
#include "app/http_handler.h"
#include "base/clock.h"
#include "guard/gate.h"
#include "guard/rate_limits.h"
#include "net/http.h"
#include "net/networks.h"
#include "net/server.h"
#include "observe/cpu_meter.h"
#include "observe/metrics.h"

namespace weir::app {

class Governance {
 public:
  // kInvalidArgument: a trusted proxy is no address.
  static base::Result<std::unique_ptr<Governance>> Make(const config::Config& config,
                                                        const base::Clock& clock);

  // The gate of this loop, which is made here.
  guard::Gate& GateOf(net::Loop& loop);
  guard::RateLimits& limits() { return limits_; }
  RequestTimes& TimesOf(const net::Loop& loop) { return times_[loop.index()]; }
  std::shared_ptr<const net::Networks> trusted_proxies() const;
  const std::atomic<double>& access_share() const { return access_share_; }

  // What of it may change while the server runs.
  base::Status Reload(const config::Config& config, net::Server& server);
  void Collect(observe::Sample& sample) const;
  void CollectTimes(observe::Sample& sample) const;

 private:
  Governance(const config::Config& config, unsigned loops, net::Networks trusted,
             const base::Clock& clock);
  void Tick(net::Loop& loop, guard::Gate& gate);

  const base::Clock& clock_;
  guard::GateOptions gate_options_;
  guard::Crowd crowd_;
  guard::RateLimits limits_;
  observe::PerThread<RequestTimes> times_;  // by loop
  observe::CpuMeter meter_;                 // the first loop's
  std::atomic<int64_t> cpu_{0};
  std::atomic<double> access_share_;
  mutable std::mutex mutex_;
  std::shared_ptr<const net::Networks> trusted_;     // guarded by mutex_, likewise below
  std::vector<std::unique_ptr<guard::Gate>> gates_;  // by loop
};

}  // namespace weir::app

// The keys of what stands before requests: middlewares, shedder, breakers, rate limits.
#include "app/config/schema_table.h"

namespace weir::config {
namespace {

void AddMiddlewares(Table& t) {
  t.Add("Rest.Middlewares.Trace", Type::kBool,
        "Continue a caller's trace (W3C traceparent), and trace requests as Trace says.",
        [](Config& c) { return &c.middlewares.trace; })
      .Also({"Middlewares.Trace"});
  t.Add("Rest.Middlewares.Prometheus", Type::kBool,
        "Count connections and requests in the metrics, and how long requests take.",
        [](Config& c) { return &c.middlewares.prometheus; })
      .Also({"Middlewares.Prometheus"});
  t.Add("Rest.Middlewares.Breaker", Type::kBool,
        "Hold calls back from a dependency that fails (webhooks), by Breaker.Mode.",
        [](Config& c) { return &c.middlewares.breaker; })
      .Reloadable()
      .Also({"Middlewares.Breaker"});
  t.Add("Rest.Middlewares.Shedder", Type::kBool,
        "Shed what cannot be taken in time, by Shedder.Mode. The bounds of Shedder.MaxConcurrency "
        "and Shedder.MaxQueueing hold without it, too.",
        [](Config& c) { return &c.middlewares.shedder; })
      .Reloadable()
      .Also({"Rest.Middlewares.Shedding", "Middlewares.Shedding", "Middlewares.Shedder"});
}

void AddShedder(Table& t) {
  t.Add(
       "Shedder.Mode", Type::kText,
       "How it is decided what cannot be taken in time: auto, by how long requests wait to be read "
       "and reports wait for the disk; gozero, by go-zero's rule.",
       [](Config& c) { return &c.shedder.mode; })
      .Words({"auto", "gozero"})
      .Reloadable();
  t.Add("Shedder.DryRun", Type::kBool,
        "Count what would be shed by Shedder.Mode, and take it all the same.",
        [](Config& c) { return &c.shedder.dry_run; })
      .Reloadable();
  t.Add(
       "Shedder.CpuThreshold", Type::kInteger,
       "CPU use, in thousandths of what may be used (a control group's quota counts). gozero sheds "
       "only from there on; auto bears waits of 5 ms instead of 20 from there on. 0 and 1000: the "
       "CPU says nothing.",
       [](Config& c) { return &c.shedder.cpu_threshold; })
      .Between(0, 1000)
      .Reloadable()
      .Also({"CpuThreshold", "Rest.CpuThreshold"});
  t.Add("Shedder.MaxConcurrency", Type::kInteger,
        "Requests taken and not yet answered, of all loops; more get 503 with Retry-After. What is "
        "urgent may exceed it by a quarter.",
        [](Config& c) { return &c.shedder.max_concurrency; })
      .Between(1, kMillion)
      .Reloadable()
      .Also({"MaxConns", "Rest.MaxConns"});
  t.Add("Shedder.MaxQueueing", Type::kInteger, "The same for those that wait for the disk.",
        [](Config& c) { return &c.shedder.max_queueing; })
      .Between(1, kMillion)
      .Reloadable();
}

void AddBreaker(Table& t) {
  t.Add("Breaker.Mode", Type::kText,
        "states: closed, open and half-open; google: go-zero's rule, which takes none of the "
        "keys below. Time-outs, connection errors, 5xx and 429 are failures.",
        [](Config& c) { return &c.breaker.mode; })
      .Words({"states", "google"})
      .Reloadable();
  t.Add("Breaker.CallsMin", Type::kInteger, "Fewer calls within 2 s never open a breaker.",
        [](Config& c) { return &c.breaker.calls_min; })
      .Between(1, kMillion)
      .Reloadable();
  t.Add("Breaker.FailuresShare", Type::kReal, "Share of them that must fail for it to open.",
        [](Config& c) { return &c.breaker.failures_share; })
      .Between(0.01, 1)
      .Reloadable();
  t.Add("Breaker.Slow", Type::kDuration,
        "A call that takes so long counts as failed. 0: none does.",
        [](Config& c) { return &c.breaker.slow_ms; })
      .Between(0, kDay)
      .Reloadable();
  t.Add("Breaker.Open", Type::kDuration, "How long an open breaker holds all calls back.",
        [](Config& c) { return &c.breaker.open_ms; })
      .Between(1, kDay)
      .Reloadable();
  t.Add("Breaker.Probes", Type::kInteger,
        "Calls that then go out, and must all succeed for it to close.",
        [](Config& c) { return &c.breaker.probes; })
      .Between(1, 1000)
      .Reloadable();
}

void AddRateLimits(Table& t) {
  struct Kind {
    const char* name;
    const char* what;
    RateLimit RateLimits::*limit;
  };
  static constexpr Kind kKinds[] = {
      {"Address", "client address (a hospital is one address)", &RateLimits::address},
      {"Token", "token", &RateLimits::token},
      {"Study",
       "study, in the path, the query or the report; urgent reports and alerts are not counted",
       &RateLimits::study},
      {"Route", "route", &RateLimits::route}};
  for (const Kind& kind : kKinds) {
    const std::string path = std::string("RateLimits.") + kind.name;
    t.Add(path + ".PerSecond", Type::kReal,
          std::string("Requests a second of each ") + kind.what +
              "; more get 429 with RateLimit and Retry-After. 0: no limit.",
          [limit = kind.limit](Config& c) { return &(c.rate_limits.*limit).per_second; })
        .Between(0, kMillion)
        .Reloadable();
    t.Add(path + ".Burst", Type::kInteger,
          "How many of them may come at once. 0: those of a second.",
          [limit = kind.limit](Config& c) { return &(c.rate_limits.*limit).burst; })
        .Between(0, kMillion)
        .Reloadable();
  }
  t.Add(
       "RateLimits.KeysMax", Type::kInteger,
       "Addresses, tokens, studies and routes that are told apart, of each kind: 16 bytes each. Of "
       "more, those that spent least share.",
       [](Config& c) { return &c.rate_limits.keys_max; })
      .Between(8, 100 * kMillion)
      .Reloadable();
  t.Add(
       "RateLimits.TrustedProxies", Type::kList,
       "Addresses, or networks such as 10.0.0.0/8, whose X-Forwarded-For names the client address.",
       [](Config& c) { return &c.rate_limits.trusted_proxies; })
      .Reloadable();
}

}  // namespace

void AddGuard(Table& t) {
  AddMiddlewares(t);
  AddShedder(t);
  AddBreaker(t);
  AddRateLimits(t);
}

}  // namespace weir::config

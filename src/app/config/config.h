// What the operator may set, typed. The table that names, documents, reads and shows each of these
// is schema.cc; docs/configuration.md is printed from it. Defaults stand here, or in the options of
// the part that they configure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "journal/journal.h"
#include "net/server.h"
#include "store/database.h"
#include "tasks/engine.h"

namespace weir::config {

struct Middlewares {
  bool trace = true;
  bool prometheus = true;
  bool breaker = true;
  bool shedder = true;
  bool operator==(const Middlewares&) const = default;
};

struct Shedder {
  std::string mode = "auto";
  bool dry_run = false;
  int cpu_threshold = 900;  // thousandths of all cores, as in go-zero; 0: CPU sheds nothing
  uint64_t max_concurrency = 40'000;  // requests parsed and not yet answered
  uint64_t max_queueing = 40'000;     // of them, those that wait for the disk
};

struct Breaker {
  std::string mode = "states";
  int calls_min = 20;
  double failures_share = 0.5;
  int slow_ms = 0;  // 0: a slow call counts as a good one
  int open_ms = 2'000;
  int probes = 10;
};

struct RateLimit {
  double per_second = 0;  // 0: no limit
  uint64_t burst = 0;     // 0: those of a second
};

struct RateLimits {
  RateLimit address, token, study, route;
  uint64_t keys_max = 65'536;                // of each kind
  std::vector<std::string> trusted_proxies;  // addresses or networks
};

struct Tls {
  std::string cert_file;  // PEM; empty, with key_file: no TLS
  std::string key_file;
  std::string min_version = "1.2";
  std::string client_auth = "none";
  std::string client_ca;  // PEM
  int ticket_rotation_ms = 3'600'000;
  unsigned handshakes_max = 1'000;  // under way, of one loop
  bool on() const { return !cert_file.empty(); }
};

struct Net {
  std::string transport = "auto";  // see net::ChooseTransport
};

struct Http {
  unsigned loops = 0;  // 0: one per core
  net::Limits limits;
  int request_timeout_ms = 30'000;  // without X-Request-Timeout-Ms
  int request_timeout_max_ms = 120'000;
  uint64_t batch_line_bytes_max = 1u << 20;
  unsigned batch_lines_waiting_max = 1024;
  unsigned batches_max = 64;  // of one loop at once
  unsigned json_depth_max = 64;
  unsigned id_bytes_max = 128;
  int stream_keepalive_ms = 15'000;  // a comment on a silent event stream
  unsigned streams_max = 1000;       // event streams open at once
};

struct JournalArchive {
  std::string directory;  // empty: everything stays where it is
  int after_days = 0;     // age of a sealed and fully applied segment before it moves
};

struct Journal {
  journal::Options options;  // .directory, .cursor_max, .read_only are set by the program
  JournalArchive archive;
};

struct Store {
  store::SqliteOptions sqlite;  // .path is set by the program
  unsigned readers = 2;         // connections for the reading API
};

struct PausedTasks {
  bool all = false;
  std::vector<std::string> names;  // sorted
  bool Contains(std::string_view task) const;
  bool operator==(const PausedTasks&) const = default;
};

struct Tasks {
  unsigned max_workers = 50;    // threads for work that waits on others
  tasks::EngineOptions engine;  // .paused is set by the program
  PausedTasks paused;           // at the start; an operator's later word is journalled
};

struct AlertTarget {
  std::string url;     // https, or http to a loopback address
  std::string secret;  // key of Weir-Signature
};

struct AlertRoute {
  std::string study, site, doctor;   // empty: any
  std::vector<std::string> targets;  // names of AlertTarget
};

struct Alerts {
  int escalate_after_ms = 900'000;  // an urgent alert that nobody acknowledged; 0: never
  std::string escalation_target;    // name; empty: an escalation is only on the stream
  std::map<std::string, AlertTarget> targets;
  std::vector<AlertRoute> routes;
  int timeout_ms = 10'000;  // of one attempt
  int retry_min_ms = 1'000;
  int retry_max_ms = 300'000;
  int give_up_after_ms = 86'400'000;  // 0: never
  unsigned max_in_flight = 50;        // deliveries at once
  unsigned max_in_flight_per_target = 4;
};

struct Schedule {
  int every_days = 0;  // 0: none
  std::string start;   // date, UTC; empty: the patient's first report
  int days = 0;        // length; 0: without end
};

struct Study {
  Schedule schedule;
};

struct Otlp {
  std::string endpoint;  // empty: nothing is exported, and there are no spans
  std::map<std::string, std::string> headers;
  int timeout_ms = 10'000;
  unsigned queue_max = 4096;
  unsigned batch_max = 512;
  bool gzip = true;
};

struct Trace {
  double sample_share = 0;   // of requests whose caller does not say
  std::string service_name;  // empty: Name
  std::string exporter = "otlphttp";
  Otlp otlp;
};

struct Log {
  std::string level = "info";
  std::string file;  // empty: stderr
  uint64_t file_bytes_max = 64u << 20;
  unsigned files_max = 5;
  unsigned burst = 20;    // lines of one event at once
  double per_second = 1;  // lines of one event in the long run
  double access_share = 0;
};

// What the allocator keeps of memory that was freed.
struct Memory {
  uint64_t free_bytes_max = 1u << 20;          // in whole pages, looked at each second
  uint64_t thread_cache_bytes_max = 4u << 20;  // in the caches of all threads together
};

struct Shutdown {
  int drain_ms = 10'000;  // answers in progress
};

struct Admin {
  std::string host = "127.0.0.1";
  uint16_t port = 8081;  // 0: the system's choice
};

struct Config {
  std::string name = "weir";
  std::string host = "127.0.0.1";
  uint16_t port = 8080;  // 0: the system's choice
  Admin admin;
  std::string data_dir = "data";
  bool insecure_allow_public = false;
  Middlewares middlewares;
  Shedder shedder;
  Breaker breaker;
  RateLimits rate_limits;
  Net net;
  Tls tls;
  Http http;
  Journal journal;
  Store store;
  Tasks tasks;
  std::string instruments_directory = "config/instruments";
  Alerts alerts;
  std::map<std::string, Study> studies;
  Trace trace;
  Log log;
  Memory memory;
  Shutdown shutdown;
};

}  // namespace weir::config

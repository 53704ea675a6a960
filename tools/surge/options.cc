#include "tools/surge/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <thread>

#include "base/clock.h"

namespace weir::surge {
namespace {

constexpr unsigned kDefaultConnections = 1024;
constexpr unsigned kDefaultHttp2Connections = 16;
constexpr unsigned kStreamsMax = 1000;
// With the rest of the header it fits one frame of HTTP/2.
constexpr size_t kTokenBytesMax = 8u << 10;
// Each worker is a thread with an epoll of its own; more than this never helped one machine.
constexpr unsigned kWorkersMax = 64;
constexpr double kDefaultOverSeconds = 30;

template <class T>
bool ParseWhole(std::string_view text, T& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc() && end == text.data() + text.size();
}

struct Raw {
  std::string url = "http://127.0.0.1:8080";
  std::string over, seconds, warm_up, retry_for, settle;
  bool no_alerts = false;
  double rate = 0;
};

void Describe(CLI::App& app, Options& options, Raw& raw) {
  app.add_option("--url", raw.url, "Server, optionally with the path to post to")
      ->capture_default_str();
  app.add_option("--patients", options.patients, "Patients; each sends from its own identity");
  app.add_option("--reports", options.reports, "Reports of all patients (default: one each)");
  app.add_option("--over", raw.over, "Spread them evenly over this time, \"30s\" (default)");
  app.add_option("--rate", raw.rate, "Or: this many reports per second");
  app.add_option("--connections", options.connections, "Connections held open")
      ->default_str(std::to_string(kDefaultConnections) + ", with --http2 " +
                    std::to_string(kDefaultHttp2Connections));
  app.add_option("--resend", options.resend, "Share of reports that are sent twice, same bytes")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--urgent-share", options.urgent_share, "Share of reports that are urgent")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--elevated-share", options.elevated_share, "Share of reports of elevated risk")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--instrument", options.instrument, "phq9, gad7, or text (no instrument)")
      ->capture_default_str()
      ->check(CLI::IsMember({"phq9", "gad7", "text"}));
  app.add_option("--study", options.study, "Study of the reports (default: none is sent)");
  app.add_option("--token", options.token, "Bearer token; scopes submit, read, alerts, operate")
      ->envname("WEIR_TOKEN");
  app.add_option("--seed", options.seed, "Makes ids, answers and repeats (default: the time)");
  app.add_flag("--verify", options.verify,
               "Read every report back; exit 1 if one is missing, doubled or different");
  app.add_option("--json", options.json, "Write all figures to this file");
  app.add_flag("--closed-loop", options.closed_loop,
               "Each connection sends its next report when the last one was answered");
  app.add_option("--seconds", raw.seconds, "Closed loop: stop after this time");
  app.add_option("--warm-up", raw.warm_up, "Closed loop: leave this time out of the figures");
  app.add_option("--workers", options.workers, "Threads (default: one per core)");
  app.add_flag("--no-alerts", raw.no_alerts, "Do not follow the stream of alerts");
  app.add_option("--retry-for", raw.retry_for, "Send again until this long after due (60s)");
  app.add_option("--settle", raw.settle, "Time for the tasks to catch up before --verify (180s)");
  app.add_flag("--http2", options.http2,
               "Submit over HTTP/2: with prior knowledge, or by ALPN; all else over HTTP/1.1");
  app.add_option("--streams", options.streams, "HTTP/2: requests in flight on each connection")
      ->capture_default_str()
      ->check(CLI::Range(1u, kStreamsMax));
  app.add_option("--cacert", options.ca_file,
                 "https: PEM file of who signs the server's certificate (default: the system's)");
  app.add_flag("--insecure", options.insecure, "https: take any certificate");
}

base::Status ReadDuration(const std::string& text, const char* name, double& to) {
  if (text.empty()) return {};
  auto parsed = ParseDuration(text);
  if (!parsed)
    return base::Fail(base::ErrorCode::kInvalidArgument,
                      std::string(name) + ": " + parsed.error().message);
  to = *parsed;
  return {};
}

base::Status Wrong(std::string message) {
  return base::Fail(base::ErrorCode::kInvalidArgument, std::move(message));
}

base::Status Complete(Options& options, const Raw& raw) {
  WEIR_RETURN_IF_ERROR(ParseUrl(raw.url, options));
  if (!options.tls && (options.insecure || !options.ca_file.empty())) {
    return Wrong("--cacert and --insecure belong to an --url that starts with https://");
  }
  if (options.token.size() > kTokenBytesMax) return Wrong("--token is too long to be one");
  WEIR_RETURN_IF_ERROR(ReadDuration(raw.over, "--over", options.over_s));
  WEIR_RETURN_IF_ERROR(ReadDuration(raw.seconds, "--seconds", options.seconds));
  WEIR_RETURN_IF_ERROR(ReadDuration(raw.warm_up, "--warm-up", options.warm_up_s));
  WEIR_RETURN_IF_ERROR(ReadDuration(raw.retry_for, "--retry-for", options.retry_for_s));
  WEIR_RETURN_IF_ERROR(ReadDuration(raw.settle, "--settle", options.settle_s));
  options.alerts = !raw.no_alerts;
  if (options.reports == 0) options.reports = options.patients;
  if (options.patients == 0) options.patients = options.reports;
  if (options.closed_loop) {
    if (!raw.over.empty() || raw.rate > 0)
      return Wrong("--closed-loop has no --over and no --rate");
    if (options.reports == 0 && options.seconds <= 0) {
      return Wrong("--closed-loop needs --patients, --reports or --seconds");
    }
  } else {
    if (options.reports == 0) return Wrong("--patients is missing");
    if (options.seconds > 0 || options.warm_up_s > 0) {
      return Wrong("--seconds and --warm-up belong to --closed-loop; see --over");
    }
    if (!raw.over.empty() && raw.rate > 0) return Wrong("give --over or --rate, not both");
    if (raw.over.empty() && raw.rate <= 0) options.over_s = kDefaultOverSeconds;
    if (raw.rate > 0) options.over_s = static_cast<double>(options.reports) / raw.rate;
  }
  if (options.verify && options.reports == 0)
    return Wrong("--verify needs --patients or --reports");
  if (options.urgent_share + options.elevated_share > 1) {
    return Wrong("--urgent-share and --elevated-share are more than 1 together");
  }
  if (options.reports == 0) options.patients = UINT64_MAX;
  if (options.connections == 0) {
    options.connections = static_cast<unsigned>(std::min<uint64_t>(
        options.http2 ? kDefaultHttp2Connections : kDefaultConnections, options.patients));
  }
  if (options.workers == 0) options.workers = std::max(1u, std::thread::hardware_concurrency());
  options.workers = std::min({options.workers, options.connections, kWorkersMax});
  if (options.seed == 0) options.seed = static_cast<uint64_t>(base::SystemClock().WallMs());
  return {};
}

}  // namespace

base::Result<double> ParseDuration(std::string_view text) {
  double scale = 1;
  std::string_view number = text;
  if (text.ends_with("ms")) {
    scale = 1e-3;
    number.remove_suffix(2);
  } else if (text.ends_with('s')) {
    number.remove_suffix(1);
  } else if (text.ends_with('m')) {
    scale = 60;
    number.remove_suffix(1);
  } else if (text.ends_with('h')) {
    scale = 3600;
    number.remove_suffix(1);
  }
  double value = 0;
  if (!ParseWhole(number, value) || !(value >= 0 && value <= 1e6)) {
    return base::Fail(base::ErrorCode::kInvalidArgument,
                      "expected a time such as 30s, 500ms or 2m, not '" + std::string(text) + "'");
  }
  return value * scale;
}

base::Status ParseUrl(std::string_view url, Options& options) {
  constexpr std::string_view kPlain = "http://";
  constexpr std::string_view kTls = "https://";
  options.tls = url.starts_with(kTls);
  if (!options.tls && !url.starts_with(kPlain)) {
    return Wrong("--url must start with http:// or https://");
  }
  url.remove_prefix(options.tls ? kTls.size() : kPlain.size());
  const size_t slash = url.find('/');
  if (slash != std::string_view::npos && slash + 1 < url.size()) options.path = url.substr(slash);
  const std::string_view authority = url.substr(0, slash);
  const size_t colon = authority.rfind(':');
  options.host = authority.substr(0, colon);
  options.port = options.tls ? 443 : 80;
  if (colon != std::string_view::npos && !ParseWhole(authority.substr(colon + 1), options.port)) {
    return Wrong("--url: the port is not a number between 1 and 65535");
  }
  if (options.host.empty() || options.port == 0) return Wrong("--url: host and port are missing");
  return {};
}

Parsed ParseOptions(int argc, const char* const* argv) {
  CLI::App app{"Plays patients who send their reports, and measures and checks the answers.",
               argc > 0 ? argv[0] : "weir surge"};
  Options options;
  Raw raw;
  Describe(app, options, raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error) == 0 ? 0 : 2};
  }
  if (const auto status = Complete(options, raw); !status) {
    std::fprintf(stderr, "weir surge: %s\n", status.error().message.c_str());
    return {std::nullopt, 2};
  }
  return {std::move(options), 0};
}

}  // namespace weir::surge

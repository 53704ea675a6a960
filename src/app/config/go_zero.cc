#include "app/config/go_zero.h"

#include <algorithm>

namespace weir::config {

const std::vector<GoZeroKey>& GoZeroKeys() {
  static const std::vector<GoZeroKey> keys = {
      {"Mode",
       {"pro"},
       "There are no modes; to shed nothing, write `Rest.Middlewares.Shedder: false`."},
      {"Verbose",
       {"false"},
       "Write `Log.Level: debug`, and `Log.AccessShare: 1` for each request."},
      {"MetricsUrl",
       {},
       "Metrics are fetched, from `/metrics` at `Admin.Port`; nothing sends them."},
      {"Signature",
       {},
       "Callers show a token (`weir tokens add`), or a certificate (`Tls.ClientCa`)."},
      {"TraceIgnorePaths", {}, "What is traced is a matter of `Trace.SampleShare`, not of paths."},
      {"ContinuousProfiling", {}, "Profiles are fetched, from `/debug/pprof/` at `Admin.Port`."},
      {"Middlewares.MaxConns", {"true"}, "The bound always holds: write a large `MaxConns`."},
      {"Middlewares.MaxBytes", {"true"}, "The bound always holds: write a large `MaxBytes`."},
      {"Middlewares.Timeout", {"true"}, "The bound always holds: write a long `Timeout`."},
      {"Middlewares.Recover", {"true"}, "What fails in a request is always answered with 500."},
      {"Middlewares.Metrics", {"true"}, "Write `Middlewares.Prometheus: false`."},
      {"Middlewares.Gunzip", {"true"}, "Bodies in gzip are always taken, within `MaxBytes`."},
      {"Log.ServiceName", {}, "Lines of the log name no service: one log, one server."},
      {"Log.Mode", {"console"}, "Write `Log.File`, the name of the file."},
      {"Log.Encoding", {"json"}, "Each line is a JSON object."},
      {"Log.TimeFormat", {}, "Times are RFC 3339, UTC, with milliseconds."},
      {"Log.Path", {}, "Write `Log.File`, the name of the file itself."},
      {"Log.MaxContentLength", {"0"}, "No line holds what a caller sent; all are short."},
      {"Log.Compress", {"false"}, "Rotated files stay as they are."},
      {"Log.CompressType", {}, "Rotated files stay as they are."},
      {"Log.Stat", {"false"}, "Such figures are in `/metrics` at `Admin.Port`, not in the log."},
      {"Log.KeepDays",
       {"0"},
       "Files are kept by number and size: `Log.FilesMax`, `Log.FileBytesMax`."},
      {"Log.StackCooldownMillis", {}, "No stacks are logged."},
      {"Log.MaxBackups", {}, "Write `Log.FilesMax`, which counts the current file, too."},
      {"Log.MaxSize", {}, "Write `Log.FileBytesMax`, such as `100MiB`."},
      {"Log.Rotation", {"size"}, "A file rotates at `Log.FileBytesMax`, not each day."},
      {"Log.FileTimeFormat", {}, "Rotated files are numbered."},
      {"Prometheus.Path", {"/metrics"}, "Metrics are at `/metrics`."},
      {"DevServer.Enabled",
       {"true"},
       "The administration server always runs; keep it on loopback."},
      {"DevServer.MetricsPath", {"/metrics"}, "Metrics are at `/metrics`."},
      {"DevServer.HealthPath", {"/livez", "/readyz"}, "Health is told at `/livez` and `/readyz`."},
      {"DevServer.HealthResponse", {}, "`/livez` and `/readyz` answer 200 or 503."},
      {"DevServer.EnableMetrics", {"true"}, "The administration server always has its metrics."},
      {"DevServer.EnablePprof", {"true"}, "The administration server always has its profiles."},
      {"Telemetry.OtlpHttpPath", {"/v1/traces"}, "Write it at the end of `Telemetry.Endpoint`."},
      {"Telemetry.OtlpHttpSecure",
       {},
       "Write `https://` at the beginning of `Telemetry.Endpoint`."},
      {"Telemetry.Disabled", {"false"}, "Leave `Telemetry.Endpoint` out."},
      {"Shutdown.WrapUpTime", {}, "Nothing waits before the end but what `Shutdown.Drain` says."},
  };
  return keys;
}

Match FindGoZero(const Path& path, const GoZeroKey** key) {
  const bool under_rest = path.size() > 1 && path.front() == "Rest";
  const Path own(path.begin() + (under_rest ? 1 : 0), path.end());
  Match best = Match::kNo;
  Captures none;
  for (const GoZeroKey& known : GoZeroKeys()) {
    const Match match = MatchPath(SplitPath(known.path), own, &none);
    if (match == Match::kNo) continue;
    best = match;
    *key = &known;
    if (match == Match::kWhole) break;
  }
  return best;
}

std::optional<std::string> CheckGoZero(const GoZeroKey& key, const Node& node) {
  const bool same =
      node.kind == Node::Kind::kScalar && std::ranges::find(key.same, node.text) != key.same.end();
  if (same) return std::nullopt;
  std::string wrong = "go-zero's key has no such meaning here. ";
  return wrong.append(key.instead);
}

}  // namespace weir::config

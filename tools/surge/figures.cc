#include "tools/surge/figures.h"

#include <cstdarg>
#include <cstdio>

#include "base/json_writer.h"

namespace weir::surge {
namespace {

constexpr double kNsPerMs = 1e6;

[[gnu::format(printf, 2, 3)]] void Append(std::string& out, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  out.append(line, std::min(sizeof line - 1, static_cast<size_t>(std::max(length, 0))));
}

std::string Quantiles(const Histogram& histogram) {
  return "p50 " + Milliseconds(histogram.QuantileNs(0.5)) + ", p99 " +
         Milliseconds(histogram.QuantileNs(0.99)) + ", p99.9 " +
         Milliseconds(histogram.QuantileNs(0.999)) + ", max " + Milliseconds(histogram.max_ns());
}

void DescribeAlerts(std::string& out, const AlertFigures& alerts) {
  if (!alerts.streamed) {
    out += "alerts         not followed\n";
    return;
  }
  if (alerts.urgent > 0) {
    out += "alerts         " + WithCommas(alerts.urgent) +
           " urgent: " + Quantiles(alerts.urgent_latency) + ", from acknowledgement to event\n";
  }
  if (alerts.elevated > 0) {
    out += "               " + WithCommas(alerts.elevated) +
           " elevated: " + Quantiles(alerts.elevated_latency) + "\n";
  }
  if (alerts.urgent + alerts.elevated == 0) out += "alerts         none came\n";
}

void DescribeVerified(std::string& out, const Figures& figures, const Findings& findings) {
  if (figures.applied_s) {
    Append(out, "applied        by all tasks %.2f s after the last acknowledgement\n",
           *figures.applied_s);
  } else {
    out += "applied        not by all tasks in the time allowed\n";
  }
  out += "verified       " + WithCommas(figures.read_back) +
         " read back: " + WithCommas(findings.count(Finding::kMissing)) + " missing, " +
         WithCommas(findings.count(Finding::kDoubled)) + " doubled, " +
         WithCommas(findings.count(Finding::kDifferent)) + " different; " +
         WithCommas(figures.alerts_listed) + " alerts listed";
  if (figures.counted) out += "; " + WithCommas(*figures.counted) + " counted by the analytics";
  out += "\n";
}

void DescribeFindings(std::string& out, const Findings& findings) {
  for (size_t sort = 0; sort < kFindingSorts; ++sort) {
    const auto finding = static_cast<Finding>(sort);
    const uint64_t count = findings.count(finding);
    if (count == 0) continue;
    out += "WRONG          " + std::string(Name(finding)) + ": " + WithCommas(count) + "\n";
    for (const std::string& example : findings.examples(finding)) {
      out += "                 " + example + "\n";
    }
  }
}

void WriteQuantiles(base::JsonWriter& json, const Histogram& histogram) {
  json.BeginObject();
  json.Key("count").Number(histogram.count());
  json.Key("p50_ms").Number(static_cast<double>(histogram.QuantileNs(0.5)) / kNsPerMs);
  json.Key("p99_ms").Number(static_cast<double>(histogram.QuantileNs(0.99)) / kNsPerMs);
  json.Key("p999_ms").Number(static_cast<double>(histogram.QuantileNs(0.999)) / kNsPerMs);
  json.Key("max_ms").Number(static_cast<double>(histogram.max_ns()) / kNsPerMs);
  json.EndObject();
}

}  // namespace

std::string WithCommas(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string Milliseconds(int64_t ns) {
  char text[32];
  const double ms = static_cast<double>(ns) / kNsPerMs;
  if (ms < 10) {
    std::snprintf(text, sizeof text, "%.2f ms", ms);
  } else if (ms < 1000) {
    std::snprintf(text, sizeof text, "%.1f ms", ms);
  } else {
    std::snprintf(text, sizeof text, "%.2f s", ms / 1000);
  }
  return text;
}

std::string DescribePlan(const Options& options) {
  std::string out;
  if (options.reports > 0) {
    Append(out, "%s reports of %s patients", WithCommas(options.reports).c_str(),
           WithCommas(options.patients).c_str());
  } else {
    Append(out, "reports");
  }
  if (options.closed_loop) {
    Append(out, ", closed loop");
    if (options.seconds > 0) Append(out, ", for %g s", options.seconds);
  } else {
    Append(out, " over %.6g s", options.over_s);
  }
  Append(out, ", %s connections", WithCommas(options.connections).c_str());
  if (options.http2) Append(out, " of HTTP/2 with %u streams", options.streams);
  if (options.tls) out += " over TLS";
  Append(out, ", seed %llu", static_cast<unsigned long long>(options.seed));
  return out;
}

std::string Describe(const Options& options, const Figures& figures, const Findings& findings) {
  std::string out;
  out += "acknowledged   " + WithCommas(figures.acknowledged);
  if (options.reports > 0) out += " of " + WithCommas(options.reports) + " reports";
  out += ", and " + WithCommas(figures.repeats) + " repeats, over " +
         WithCommas(figures.connected) + " connections\n";
  Append(out, "rate           %s reports/s for %.2f s\n",
         WithCommas(static_cast<uint64_t>(figures.rate())).c_str(), figures.seconds);
  out += "latency        " + Quantiles(figures.latency) + ", from when each was due\n";
  if (options.alerts) DescribeAlerts(out, figures.alerts);
  const uint64_t retried =
      figures.retried_429 + figures.retried_503 + figures.retried_504 + figures.retried_507;
  out += "sent again     " + WithCommas(retried) + " (429: " + WithCommas(figures.retried_429) +
         ", 503: " + WithCommas(figures.retried_503) + ", 504: " + WithCommas(figures.retried_504) +
         ", 507: " + WithCommas(figures.retried_507) + "), and " +
         WithCommas(figures.resent - figures.taken_back) + " whose connection broke";
  if (options.http2) out += ", " + WithCommas(figures.taken_back) + " that the server took back";
  out += "\n";
  if (figures.verified) DescribeVerified(out, figures, findings);
  if (figures.interrupted) out += "interrupted    the figures are those of the part that ran\n";
  DescribeFindings(out, findings);
  return out;
}

std::string ToJson(const Options& options, const Figures& figures, const Findings& findings) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("seed").Number(options.seed);
  json.Key("patients").Number(options.reports > 0 ? options.patients : 0);
  json.Key("reports").Number(options.reports);
  json.Key("connections").Number(uint64_t{figures.connected});
  json.Key("http2").Bool(options.http2);
  json.Key("streams").Number(uint64_t{options.http2 ? options.streams : 1});
  json.Key("tls").Bool(options.tls);
  json.Key("closed_loop").Bool(options.closed_loop);
  json.Key("request_bytes").Number(uint64_t{figures.request_bytes});
  json.Key("seconds").Number(figures.seconds);
  json.Key("sent").Number(figures.sent);
  json.Key("acknowledged").Number(figures.acknowledged);
  json.Key("repeats").Number(figures.repeats);
  json.Key("measured").Number(figures.measured);
  json.Key("rate").Number(figures.rate());
  json.Key("latency");
  WriteQuantiles(json, figures.latency);
  json.Key("retried").BeginObject();
  json.Key("429").Number(figures.retried_429).Key("503").Number(figures.retried_503);
  json.Key("504").Number(figures.retried_504).Key("507").Number(figures.retried_507).EndObject();
  json.Key("resent").Number(figures.resent);
  json.Key("taken_back").Number(figures.taken_back);
  json.Key("broken").Number(figures.broken);
  json.Key("refused").Number(figures.refused);
  json.Key("given_up").Number(figures.given_up);
  json.Key("cpu_us_per_request").Number(figures.cpu_us_per_request);
  json.Key("interrupted").Bool(figures.interrupted);
  if (figures.alerts.streamed) {
    json.Key("alerts").BeginObject();
    json.Key("urgent");
    WriteQuantiles(json, figures.alerts.urgent_latency);
    json.Key("elevated");
    WriteQuantiles(json, figures.alerts.elevated_latency);
    json.EndObject();
  }
  if (figures.verified) {
    json.Key("verified").BeginObject();
    json.Key("applied").Bool(figures.applied_s.has_value());
    if (figures.applied_s) json.Key("applied_s").Number(*figures.applied_s);
    json.Key("read_back").Number(figures.read_back);
    json.Key("alerts_listed").Number(figures.alerts_listed);
    if (figures.counted) json.Key("counted").Number(*figures.counted);
    json.EndObject();
  }
  json.Key("findings").BeginObject();
  for (size_t sort = 0; sort < kFindingSorts; ++sort) {
    const auto finding = static_cast<Finding>(sort);
    if (findings.count(finding) == 0) continue;
    json.Key(Name(finding)).BeginObject().Key("count").Number(findings.count(finding));
    json.Key("examples").BeginArray();
    for (const std::string& example : findings.examples(finding)) json.String(example);
    json.EndArray().EndObject();
  }
  json.EndObject().EndObject();
  out += '\n';
  return out;
}

}  // namespace weir::surge

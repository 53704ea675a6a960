// What `weir surge` was asked to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::surge {

struct Options {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;
  std::string path = "/submit";
  bool tls = false;
  std::string ca_file;    // PEM; empty: the system's authorities
  bool insecure = false;  // any certificate will do
  bool http2 = false;
  unsigned streams = 32;  // HTTP/2: requests in flight on a connection
  std::string token;
  std::string study;  // empty: not sent, so the server's "default"
  std::string instrument = "phq9";

  uint64_t patients = 0;
  uint64_t reports = 0;      // of all patients together; 0: without bound (closed loop, seconds)
  double over_s = 0;         // open loop: report i is due at i / reports of it
  bool closed_loop = false;  // each connection sends its next report when the last was answered
  double seconds = 0;        // closed loop: stop after
  double warm_up_s = 0;      // not measured
  unsigned connections = 0;
  unsigned workers = 0;
  double resend = 0.02;
  double urgent_share = 0.01;
  double elevated_share = 0.1;
  uint64_t seed = 0;

  bool alerts = true;  // follow the stream of alerts
  bool verify = false;
  double retry_for_s = 60;  // after it was due, a report is sent again this long
  double settle_s = 180;    // what the tasks have for working off the rest before verification
  std::string json;

  std::string_view study_name() const {
    return study.empty() ? std::string_view("default") : std::string_view(study);
  }
  // Whether what became of each single report is remembered.
  bool tracks() const { return reports > 0 && (verify || alerts); }
};

// Either the options, or the status to exit with: the help (0) or the error (2) has been printed.
struct Parsed {
  std::optional<Options> options;
  int exit_status = 0;
};
Parsed ParseOptions(int argc, const char* const* argv);

// "30s", "500ms", "2m", "1h", "1.5" (seconds). kInvalidArgument says what is expected.
base::Result<double> ParseDuration(std::string_view text);

// "http://127.0.0.1:8080" or "https://…", optionally with a path to post to.
base::Status ParseUrl(std::string_view url, Options& options);

}  // namespace weir::surge

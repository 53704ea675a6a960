// What a run measured, for people and, as JSON, for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/surge/findings.h"
#include "tools/surge/histogram.h"
#include "tools/surge/options.h"

namespace weir::surge {

struct AlertFigures {
  bool streamed = false;
  uint64_t urgent = 0, elevated = 0;  // acknowledged reports of that level whose alert came
  Histogram urgent_latency, elevated_latency;  // from acknowledgement to event
};

struct Figures {
  unsigned connected = 0;
  double seconds = 0;  // from the first report due (or the warm-up's end) to the last answer
  uint64_t sent = 0, acknowledged = 0, repeats = 0, measured = 0;
  uint64_t retried_429 = 0, retried_503 = 0, retried_504 = 0, retried_507 = 0;
  uint64_t resent = 0, refused = 0, given_up = 0, broken = 0;
  uint64_t taken_back = 0;  // HTTP/2: of those resent, the ones whose stream the server reset
  Histogram latency;        // from due to acknowledged
  AlertFigures alerts;
  double cpu_us_per_request = 0;  // this program's own
  size_t request_bytes = 0;
  bool interrupted = false;

  // With --verify:
  bool verified = false;
  std::optional<double>
      applied_s;  // after the last acknowledgement; nullopt: not in the time allowed
  uint64_t read_back = 0, alerts_listed = 0;
  std::optional<uint64_t> counted;

  // Reports acknowledged per second.
  double rate() const { return seconds > 0 ? static_cast<double>(measured) / seconds : 0; }
};

// "50,000 reports of 50,000 patients over 30 s, 1,024 connections"
std::string DescribePlan(const Options& options);
// Several lines, ending with the findings, if there are any.
std::string Describe(const Options& options, const Figures& figures, const Findings& findings);
std::string ToJson(const Options& options, const Figures& figures, const Findings& findings);

// "12,345"
std::string WithCommas(uint64_t number);
// "0.62 ms", "14.1 ms", "1.23 s"
std::string Milliseconds(int64_t ns);

}  // namespace weir::surge

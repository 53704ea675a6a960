// `weir guard simulate`: a trace replayed in virtual time against the controllers of src/guard.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::app {

// One call of a trace: when it came, what it would take, how it would end, and the CPU then.
struct TraceCall {
  int64_t at_ms = 0;
  int64_t service_ms = 0;
  bool fails = false;
  int64_t cpu = 0;  // in thousandths
};

// Lines of `at_ms,service_ms,result,cpu` under that heading, in order of time; result is ok or
// fail, cpu may be left out. At most 10 million calls of at most a day. kInvalidArgument names the
// line.
base::Result<std::vector<TraceCall>> ReadTrace(std::istream& in);

enum class Controller { kStates, kGoogle, kGoZero, kBucket };

struct SimulateOptions {
  Controller controller = Controller::kStates;
  double rate = 100;  // of kBucket, a second
  int64_t burst = 100;
  int64_t cpu_threshold = 900;  // of kGoZero
  uint64_t seed = 1;            // of the draws of kGoogle
};

// What happened in each second of the trace, by when calls came.
struct SimulatedSecond {
  int64_t offered = 0;
  int64_t passed = 0;
  int64_t refused = 0;
  int64_t failed = 0;      // of those that passed
  std::string_view state;  // of a breaker at the second's last call; else empty
};

std::vector<SimulatedSecond> Simulate(const std::vector<TraceCall>& trace,
                                      const SimulateOptions& options);

std::string ToCsv(const std::vector<SimulatedSecond>& seconds);
// Offered and passed per second, as two lines.
std::string ToSvg(const std::vector<SimulatedSecond>& seconds);

}  // namespace weir::app

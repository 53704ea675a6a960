// A trace replayed in virtual time against one controller of src/guard: a breaker, go-zero's
// shedder or a rate limit. The default shedder needs a server around it: see server.h.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "app/simulate/trace.h"

namespace weir::app {

enum class Controller { kStates, kGoogle, kGoZero, kBucket };

struct ReplayOptions {
  Controller controller = Controller::kStates;
  double rate = 100;  // of kBucket, a second
  int64_t burst = 100;
  int64_t cpu_threshold = 900;  // of kGoZero
  uint64_t seed = 1;            // of the draws of kGoogle
};

// What happened in each second of the trace, by when calls came.
struct ReplayedSecond {
  int64_t offered = 0;
  int64_t passed = 0;
  int64_t refused = 0;
  int64_t failed = 0;      // of those that passed
  std::string_view state;  // of a breaker at the second's last call; else empty
};

std::vector<ReplayedSecond> Replay(const std::vector<TraceCall>& trace,
                                   const ReplayOptions& options);

}  // namespace weir::app

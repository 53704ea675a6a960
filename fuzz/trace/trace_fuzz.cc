// Any bytes as a trace for `weir guard simulate`: read, in order and within bounds, or refused with
// a place; and what was read is replayed in time.
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include "app/simulate/server.h"
#include "app/simulate/trace.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::app;
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  const auto trace = ReadTrace(in);
  if (!trace) {
    WEIR_CHECK(trace.error().message.starts_with("line "));
    return 0;
  }
  WEIR_CHECK(!trace->empty());
  int64_t last_ms = 0;
  for (const TraceCall& call : *trace) {
    WEIR_CHECK(call.at_ms >= last_ms);
    last_ms = call.at_ms;
  }
  if (trace->size() > 10'000 || last_ms > 100'000) return 0;
  int64_t offered = 0;
  for (const ServedSecond& second : Serve(*trace, {})) {
    offered += second.all().offered;
    WEIR_CHECK(second.all().refused <= second.all().offered);
  }
  WEIR_CHECK(offered == static_cast<int64_t>(trace->size()));
  return 0;
}

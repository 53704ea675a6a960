// Time is an argument. Wall time names instants for people; steady time measures durations and
// never jumps. Both come from a Clock, so that a test can move them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::base {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t WallMs() const = 0;    // since 1970-01-01T00:00:00Z
  virtual int64_t SteadyNs() const = 0;  // monotonic, from an arbitrary start
};

// The operating system's clocks. Any thread; never destroyed.
const Clock& SystemClock();

// "2026-11-24T03:06:05.000Z": RFC 3339, UTC, milliseconds. Years 0000 to 9999.
std::string FormatTime(int64_t wall_ms);
void AppendTime(std::string& out, int64_t wall_ms);
// RFC 3339 with any offset and any fraction (cut to milliseconds), or a bare date (its midnight,
// UTC); within what FormatTime() can write.
Result<int64_t> ParseTime(std::string_view text);

}  // namespace weir::base

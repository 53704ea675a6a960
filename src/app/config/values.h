// Values as they are written in a configuration: "30s", "128MiB", true, 8080.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::config {

// "500ms", "30s", "15m", "24h", "7d"; a bare integer is milliseconds, as go-zero has it.
base::Result<int64_t> ParseDurationMs(std::string_view text);
std::string FormatDurationMs(int64_t ms);  // the largest unit that is exact

// "64KiB", "128MiB", "1GiB", and in thousands "64KB", "1MB", "1GB"; a bare integer is bytes.
base::Result<int64_t> ParseBytes(std::string_view text);
std::string FormatBytes(uint64_t bytes);  // the largest binary unit that is exact

base::Result<bool> ParseBool(std::string_view text);  // true, false
base::Result<int64_t> ParseInteger(std::string_view text);
base::Result<double> ParseReal(std::string_view text);
std::string FormatReal(double value);

// How many letters must be changed, added, left out or exchanged with their neighbour.
size_t EditDistance(std::string_view a, std::string_view b);

}  // namespace weir::config

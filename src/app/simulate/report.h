// What a simulation tells: CSV with a line for each second, and the same as an SVG plot.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/simulate/replay.h"
#include "app/simulate/server.h"

namespace weir::app {

std::string ToCsv(const std::vector<ReplayedSecond>& seconds);
// Of the classes that the trace has.
std::string ToCsv(const std::vector<ServedSecond>& seconds);

// At least one second each.
std::string ToSvg(std::string_view title, const std::vector<ReplayedSecond>& seconds);
std::string ToSvg(std::string_view title, const std::vector<ServedSecond>& seconds);

}  // namespace weir::app

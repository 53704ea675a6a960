// The value of `data` in a report's body, in the body's own bytes: intake triages it, the tasks
// evaluate it, and both must find the same.
#pragma once

#include <string_view>

namespace weir::epro {

// A view into `body`, one JSON object that intake has validated; empty: there is no such value, or
// the object is nested deeper than JsonReader::kDepthMax. Any thread.
std::string_view ReportData(std::string_view body);

}  // namespace weir::epro

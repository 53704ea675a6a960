// The value of `data` in a report's body, in the body's own bytes.
#pragma once

#include <string_view>

namespace weir::epro {

// A view into `body`, which intake has validated; empty: there is no such value. Any thread.
std::string_view ReportData(std::string_view body);

}  // namespace weir::epro

// What a request is worth when not everything can be done: shed from the last to the first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::guard {

enum class Criticality : uint8_t {
  kUrgent,  // alerts, urgent reports, operators' actions
  kReport,
  kMetric,
  kRead,
  kExport,
};
inline constexpr size_t kCriticalities = 5;

inline std::string_view Name(Criticality of) {
  constexpr std::array<std::string_view, kCriticalities> kNames = {"urgent", "report", "metric",
                                                                   "read", "export"};
  return kNames[static_cast<size_t>(of)];
}

}  // namespace weir::guard

#pragma once

namespace weir::app {
inline constexpr char kVersion[] = "0.1.0";
}

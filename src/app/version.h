#pragma once

namespace weir::app {
inline constexpr char kVersion[] = "0.1.0";
// Built with a sanitizer: for tests, at a fraction of the speed.
#ifdef WEIR_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
}  // namespace weir::app

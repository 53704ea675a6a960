// Broken invariants abort, in release too, with what was expected and where.
#pragma once

#include <string_view>

namespace weir::base {
[[noreturn]] void CheckFailed(const char* file, int line, const char* expression,
                              std::string_view found);
}  // namespace weir::base

#define WEIR_CHECK(condition) WEIR_CHECK_MSG(condition, "")
// `found` is anything a string_view is made of: what was found instead.
#define WEIR_CHECK_MSG(condition, found)                                  \
  do {                                                                    \
    if (!(condition)) [[unlikely]] {                                      \
      ::weir::base::CheckFailed(__FILE__, __LINE__, #condition, (found)); \
    }                                                                     \
  } while (false)

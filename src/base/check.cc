#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace weir::base {

void CheckFailed(const char* file, int line, const char* expression, std::string_view found) {
  std::fprintf(stderr, "%s:%d: expected %s%s%.*s\n", file, line, expression,
               found.empty() ? "" : "; found ", static_cast<int>(found.size()), found.data());
  std::abort();
}

}  // namespace weir::base

// Names and priorities of threads, as `top -H` and profiles show them.
#pragma once

#include <string_view>

namespace weir::exec {

// Of the calling thread; cut to the 15 characters that Linux keeps.
void SetThreadName(std::string_view name);

// Of the calling thread: 0 (normal) to 19 (only what the others leave). False: not permitted.
bool SetThreadNice(int nice);

}  // namespace weir::exec

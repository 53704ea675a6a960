// What a draw is made of.
#pragma once

#include <cstdint>

namespace weir::base {

// The upper 53 bits as a fraction in [0, 1), each that a double can tell apart as likely.
inline double ToFraction(uint64_t random) { return static_cast<double>(random >> 11) * 0x1p-53; }

}  // namespace weir::base

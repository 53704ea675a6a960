// CRC-32C (Castagnoli, RFC 3720 appendix B.4), with the processor's instruction where it has one.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::base {

// Crc32c("123456789") is 0xe3069283. Extend(Crc32c(a), b) is Crc32c(a + b). Any thread.
uint32_t Crc32c(std::string_view bytes);
uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes);

}  // namespace weir::base

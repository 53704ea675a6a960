// Files that hold secrets: 0600, replaced whole and durably.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::security {

// Nothing: there is no such file. kPermission: others than its owner may read or write it; the
// message says how to mend that.
base::Result<std::optional<std::string>> ReadPrivate(const std::string& path, uint64_t size_max);

// Makes the directory (0700) if it is missing.
base::Status ReplacePrivate(const std::string& directory, const std::string& name,
                            std::string_view bytes);

// From the operating system's generator.
std::string RandomBytes(size_t size);

}  // namespace weir::security

// Any bytes as a configuration file: read or refused with a place, in time; and what was read is
// shown so that it reads back the same.
#include <cstddef>
#include <cstdint>
#include <string>

#include "app/config/load.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::config;
  const Loaded loaded = Load({.yaml = std::string(reinterpret_cast<const char*>(data), size)});
  if (!loaded.ok()) {
    for (const std::string& error : loaded.errors) WEIR_CHECK(!error.empty());
    return 0;
  }
  const std::string shown = Show(loaded.config);
  const Loaded again = Load({.yaml = shown});
  WEIR_CHECK_MSG(again.ok(), again.errors.front());
  WEIR_CHECK_MSG(Show(again.config) == shown, shown);
  const Config defaults;
  const Config reloaded = Reloaded(defaults, loaded.config);
  WEIR_CHECK(Compare(reloaded, loaded.config).reloadable.empty());
  return 0;
}

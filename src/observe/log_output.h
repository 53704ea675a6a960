// Where lines go. Called on the log's own thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::observe {

class LogOutput {
 public:
  virtual ~LogOutput() = default;
  // `line` ends with a newline. False: it is lost, wholly or in part.
  virtual bool Write(std::string_view line) = 0;
  virtual void Flush() {}
};

// A descriptor that is not closed. When its reader does not read, a line waits `patience_ms` once,
// and those after it are lost at once until the reader reads again: nothing waits for a stuck pipe.
std::unique_ptr<LogOutput> DescriptorOutput(int descriptor, int patience_ms = 1000);
// Appends, and rotates at bytes_max; files_max files with the current one.
base::Result<std::unique_ptr<LogOutput>> FileOutput(const std::string& path, uint64_t bytes_max,
                                                    unsigned files_max);
std::unique_ptr<LogOutput> FunctionOutput(std::function<void(std::string_view)> function);

}  // namespace weir::observe

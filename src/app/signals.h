// Signals as values: blocked in every thread, taken one by one by the main thread.
#pragma once

namespace weir::app {

class Signals {
 public:
  // Blocks SIGTERM, SIGINT and SIGHUP for this thread and all that it starts: before any of them.
  Signals();
  // The next one, or 0 after timeout_ms.
  int Wait(int timeout_ms) const;
};

}  // namespace weir::app

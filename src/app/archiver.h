// Moves segments that are old and worked off out of the journal, as Journal.Archive says.
//
// A look every minute, the first at once, on a thread of its own. Only what every task has applied
// is moved, and only what is older than AfterDays; a segment at a time, so that Stop() waits for
// one copy at most. Without Journal.Archive.Directory it does nothing. Threads: all calls from one.
// What fails is logged, and tried again at the next look.
#pragma once

#include <cstdint>
#include <memory>

#include "app/config/config.h"
#include "base/clock.h"
#include "exec/worker_pool.h"
#include "journal/journal.h"
#include "observe/log.h"
#include "tasks/engine.h"

namespace weir::app {

class Archiver {
 public:
  struct Parts {
    journal::Journal& journal;
    const tasks::Engine& engine;
    const base::Clock& clock;
    observe::Log& log;
  };
  Archiver(config::JournalArchive options, const Parts& parts);
  void Tick();
  void Stop();

 private:
  void Look();
  // The first record, below `end`, that was received at or after `time_ms`; `end` if all were
  // before.
  base::Result<base::Offset> FirstSince(int64_t time_ms, base::Offset end) const;

  const config::JournalArchive options_;
  const Parts parts_;
  std::unique_ptr<exec::WorkerPool> worker_;
  int64_t next_look_ns_ = 0;
};

}  // namespace weir::app

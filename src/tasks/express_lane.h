// Walks the journal's control index ahead of the windows: urgent records, and records that command.
//
// Step() reads what became durable since the last one and applies it in bounded transactions, until
// nothing is left. Instruments are known before anything that follows them is evaluated: windows
// may be read up to known_end(). Committer's thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "journal/journal.h"
#include "tasks/applier.h"
#include "tasks/instruments.h"

namespace weir::tasks {

class ExpressLane {
 public:
  ExpressLane(const journal::Journal& journal, Applier& applier, Instruments& instruments)
      : journal_(journal),
        applier_(applier),
        instruments_(instruments),
        known_end_(applier.control().cursor),
        control_(known_end_) {}

  struct Done {
    size_t records = 0;  // applied by this step
    size_t commits = 0;
    bool more = false;  // there is more to do at once
  };
  // One transaction's worth of what lies below `end`, which is durable. `urgent`: tasks that take
  // urgent records early and run. After an error some of it may be applied, the rest is left.
  base::Result<Done> Step(Offset end, const std::vector<size_t>& urgent);

  Offset known_end() const { return known_end_; }
  // All control records below are applied; ahead of the cursor in the store, which moves only when
  // there was something to do.
  Offset control_end() const { return control_; }

 private:
  base::Status LearnInstruments(Offset end);
  base::Status Apply(const Applier::Express& express, Done* done);
  Offset AheadOf(size_t task) const;  // urgent records below are dealt with

  const journal::Journal& journal_;
  Applier& applier_;
  Instruments& instruments_;
  Offset known_end_, control_;
  std::vector<Offset> ahead_;  // by task
};

}  // namespace weir::tasks

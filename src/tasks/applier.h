// Applies windows and control records to the store, one transaction each. One thread; no waiting.
//
// Isolation: what one record does wrong in one task is taken back to that task's savepoint, the
// record goes into the task's quarantine, and all others are applied. An error of the environment
// rolls the whole transaction back, and nothing has happened.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "journal/journal.h"
#include "store/database.h"
#include "tasks/instruments.h"
#include "tasks/ledger.h"
#include "tasks/task.h"
#include "tasks/task_spans.h"

namespace weir::tasks {

// The name under which control records that cannot be applied are quarantined.
inline constexpr std::string_view kControlLane = "control";

class Applier {
 public:
  // `waiting`: records that a task leaves to their later replay (a rebuild; see rebuild.h).
  // `spans`: where those of traced records go; null: nowhere.
  static base::Result<std::unique_ptr<Applier>> Open(const journal::Journal& journal,
                                                     store::Database& database, Service& service,
                                                     Instruments& instruments,
                                                     const base::Clock& clock,
                                                     WaitingReplays waiting = {},
                                                     observe::SpanQueue* spans = nullptr);

  // Committed progress of service.tasks()[index], and of the control lane.
  const Progress& progress(size_t index) const { return committed_[index]; }
  const Progress& control() const { return committed_.back(); }
  // Where the time went, since the start.
  struct Timing {
    std::vector<uint64_t> task_ns;
    uint64_t commit_ns = 0;
  };
  const Timing& timing() const { return timing_; }
  size_t task_count() const { return tasks_.size(); }

  // Applies the window in each of the tasks (indices), whose cursors all stand at its begin.
  // `culprit`: the task whose environment failed, or task_count() if it was the transaction's.
  base::Status ApplyWindow(const Window& window, std::span<const size_t> tasks, size_t* culprit);

  // Applies the control entries in `urgent` to the tasks that take urgent records early and are in
  // `express`, and those in `control` to what they are about, and moves the lanes' cursors to
  // `ahead_end` and `control_end`.
  struct Express {
    std::span<const journal::ControlEntry> urgent;
    std::span<const size_t> express;  // tasks
    Offset ahead_end;
    std::span<const journal::ControlEntry> control;
    Offset control_end;
  };
  base::Status ApplyExpress(const Express& express);
  // The express lane has found nothing more below these (by task): the cursors are saved with what
  // is applied next.
  void Looked(Offset control_end, const std::vector<Offset>& ahead);

  // A step of the work that tasks have put off, all tasks together; see Task::Settle().
  base::Status Settle();
  bool settled() const;

  // Applies the window in all tasks, and after that the control records within it: a rebuild.
  base::Status ApplyInOrder(const Window& window);

 private:
  Applier(const journal::Journal& journal, Service& service, Instruments& instruments,
          const base::Clock& clock, WaitingReplays waiting, observe::SpanQueue* spans);
  base::Status OpenStore(store::Database& database);

  template <class Body>
  base::Status InTransaction(Body&& body);
  base::Status SaveChanged();

  struct Range {
    size_t first, last;
  };
  // What stopped ApplyRange(): the index of the record, or `last` when it was the flush.
  struct Stop {
    size_t index;
    base::Error error;
  };
  base::Status ApplyTask(size_t task, const Window& window);
  std::optional<Stop> ApplyRange(size_t task, const Window& window, Range range);
  base::Status ApplyOneByOne(size_t task, const Window& window, Range range);
  std::optional<Stop> InSavepoint(size_t task, const Window& window, Range range);
  base::Status ApplyOne(size_t task, const Window& window, size_t index);
  void TakeBack(size_t task);
  bool HandledAhead(size_t task, const journal::RecordView& record) const;
  void Trace(size_t task, const Window& window, int64_t start_ns);
  base::Status Quarantine(size_t task, const journal::RecordView& record,
                          const std::string& reason);

  base::Status ApplyUrgent(Offset offset, std::span<const size_t> tasks);
  base::Status ApplyControl(const journal::RecordView& record);
  base::Status DispatchControl(const journal::RecordView& record);
  base::Status SetPaused(const journal::RecordView& record);
  base::Status Replay(const journal::RecordView& record);
  base::Status ReplayOne(size_t task, Offset record, Offset replay);
  base::Status ReplayWaiting(size_t task, const Window& window);
  bool WaitsForReplay(size_t task, Offset record) const;
  size_t IndexOf(std::string_view task) const;  // task_count(): unknown
  std::string_view NameOf(size_t task) const;

  const journal::Journal& journal_;
  Service& service_;
  Instruments& instruments_;
  const base::Clock& clock_;
  Timing timing_;
  TaskSpans spans_;
  std::span<Task* const> tasks_;
  std::unique_ptr<store::Connection> connection_;
  Ledger ledger_;
  // By task, the control lane last. What the transaction in progress has staged, and what holds.
  std::vector<Progress> staged_, committed_;
  WaitingReplays waiting_, committed_waiting_;
  Offset looked_control_;
  std::vector<Offset> looked_ahead_;
};

}  // namespace weir::tasks

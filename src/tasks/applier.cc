#include "tasks/applier.h"

#include <algorithm>

#include "base/check.h"
#include "wire/envelope.h"
#include "wire/kinds.h"

namespace weir::tasks {
namespace {

using base::Error;
using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;
using journal::RecordView;
using wire::Kind;

// A record's own fault, as against the environment's: see Task.
bool IsTheRecords(const Error& error) { return error.code == ErrorCode::kInvalidArgument; }

constexpr const char* kWaitsForReplay = "left to its replay, which the journal holds further on";

}  // namespace

Applier::Applier(const journal::Journal& journal, Service& service, Instruments& instruments,
                 const base::Clock& clock, WaitingReplays waiting, observe::SpanQueue* spans)
    : journal_(journal),
      service_(service),
      instruments_(instruments),
      clock_(clock),
      timing_{.task_ns = std::vector<uint64_t>(service.tasks().size())},
      spans_(spans),
      tasks_(service.tasks()),
      waiting_(std::move(waiting)) {}

Result<std::unique_ptr<Applier>> Applier::Open(const journal::Journal& journal,
                                               store::Database& database, Service& service,
                                               Instruments& instruments, const base::Clock& clock,
                                               WaitingReplays waiting, observe::SpanQueue* spans) {
  std::unique_ptr<Applier> applier(
      new Applier(journal, service, instruments, clock, std::move(waiting), spans));
  WEIR_RETURN_IF_ERROR(applier->OpenStore(database));
  return applier;
}

Status Applier::OpenStore(store::Database& database) {
  WEIR_ASSIGN_OR_RETURN(connection_, database.OpenWriter());
  WEIR_ASSIGN_OR_RETURN(ledger_, Ledger::Open(*connection_));
  for (size_t i = 0; i <= tasks_.size(); ++i) {
    WEIR_ASSIGN_OR_RETURN(const auto progress, ledger_.Load(NameOf(i)));
    committed_.push_back(progress.value_or(Progress{}));
    if (i < tasks_.size()) WEIR_RETURN_IF_ERROR(tasks_[i]->Open(*connection_));
  }
  staged_ = committed_;
  WEIR_ASSIGN_OR_RETURN(WaitingReplays waiting, ledger_.LoadReplays());
  waiting_.merge(waiting);
  committed_waiting_ = waiting_;
  WEIR_RETURN_IF_ERROR(service_.OpenControls(*connection_));
  return ledger_.ForEachDefinition(
      [this](std::string_view packed, Offset offset) { return instruments_.Add(packed, offset); });
}

std::string_view Applier::NameOf(size_t task) const {
  return task == tasks_.size() ? kControlLane : tasks_[task]->name();
}

size_t Applier::IndexOf(std::string_view task) const {
  size_t index = 0;
  while (index < tasks_.size() && tasks_[index]->name() != task) ++index;
  return index;
}

template <class Body>
Status Applier::InTransaction(Body&& body) {
  WEIR_RETURN_IF_ERROR(connection_->Begin());
  Status status = body();
  if (status) status = SaveChanged();
  const int64_t start = clock_.SteadyNs();
  if (status) status = connection_->Commit();
  timing_.commit_ns += static_cast<uint64_t>(clock_.SteadyNs() - start);
  if (status) {
    committed_ = staged_;
    committed_waiting_ = waiting_;
    spans_.Committed(clock_.SteadyNs());
    service_.Committed();
    return {};
  }
  connection_->Rollback();
  spans_.RolledBack();
  staged_ = committed_;
  waiting_ = committed_waiting_;
  for (Task* task : tasks_) task->RolledBack();
  service_.RolledBack();
  return status;
}

void Applier::Looked(Offset control_end, const std::vector<Offset>& ahead) {
  looked_control_ = control_end;
  looked_ahead_ = ahead;
}

Status Applier::SaveChanged() {
  staged_.back().cursor = std::max(staged_.back().cursor, looked_control_);
  for (size_t i = 0; i < looked_ahead_.size(); ++i) {
    staged_[i].ahead = std::max(staged_[i].ahead, looked_ahead_[i]);
  }
  for (size_t i = 0; i < staged_.size(); ++i) {
    if (staged_[i] == committed_[i]) continue;
    WEIR_RETURN_IF_ERROR(ledger_.Save(NameOf(i), staged_[i]));
  }
  return {};
}

Status Applier::ApplyWindow(const Window& window, std::span<const size_t> tasks, size_t* culprit) {
  *culprit = tasks_.size();
  return InTransaction([&]() -> Status {
    for (const size_t task : tasks) {
      WEIR_CHECK(staged_[task].cursor == window.begin);
      const int64_t start = clock_.SteadyNs();
      Status status = ApplyTask(task, window);
      timing_.task_ns[task] += static_cast<uint64_t>(clock_.SteadyNs() - start);
      if (!status) {
        *culprit = task;
        return status;
      }
      if (spans_.wanted(window)) Trace(task, window, start);
    }
    return {};
  });
}

Status Applier::ApplyInOrder(const Window& window) {
  return InTransaction([&]() -> Status {
    for (size_t task = 0; task < tasks_.size(); ++task) {
      WEIR_CHECK(staged_[task].cursor == window.begin);
      WEIR_RETURN_IF_ERROR(ApplyTask(task, window));
      if (tasks_[task]->has_express()) staged_[task].ahead = window.end;
    }
    for (const RecordView& record : window.block.records) {
      if ((record.flags & journal::kControl) == 0) continue;
      if (record.kind != static_cast<uint16_t>(Kind::kReport)) {
        WEIR_RETURN_IF_ERROR(ApplyControl(record));
      }
    }
    staged_.back().cursor = window.end;
    return {};
  });
}

bool Applier::settled() const {
  return std::ranges::all_of(tasks_, [](const Task* task) { return task->settled(); });
}

Status Applier::Settle() {
  return InTransaction([&]() -> Status {
    for (Task* task : tasks_) WEIR_RETURN_IF_ERROR(task->Settle());
    return {};
  });
}

// Applies all of the window, leaving out what the task cannot digest: what came before such a
// record is applied again, since the savepoint took it back with it.
Status Applier::ApplyTask(size_t task, const Window& window) {
  const size_t end = window.block.records.size();
  size_t first = 0;
  while (first < end) {
    const auto stop = InSavepoint(task, window, {first, end});
    if (!stop) break;
    if (!IsTheRecords(stop->error)) return Fail(stop->error);
    if (stop->index == end) {  // what was gathered cannot be written: whose fault, each alone tells
      WEIR_RETURN_IF_ERROR(ApplyOneByOne(task, window, {first, end}));
      break;
    }
    if (stop->index > first) {
      const auto again = InSavepoint(task, window, {first, stop->index});
      if (again && !IsTheRecords(again->error)) return Fail(again->error);
      if (again) WEIR_RETURN_IF_ERROR(ApplyOneByOne(task, window, {first, stop->index}));
    }
    WEIR_RETURN_IF_ERROR(Quarantine(task, window.block.records[stop->index], stop->error.message));
    first = stop->index + 1;
  }
  staged_[task].cursor = window.end;
  return waiting_.empty() ? Status() : ReplayWaiting(task, window);
}

Status Applier::ApplyOneByOne(size_t task, const Window& window, Range range) {
  for (size_t i = range.first; i < range.last; ++i) {
    const auto stop = InSavepoint(task, window, {i, i + 1});
    if (!stop) continue;
    if (!IsTheRecords(stop->error)) return Fail(stop->error);
    WEIR_RETURN_IF_ERROR(Quarantine(task, window.block.records[i], stop->error.message));
  }
  return {};
}

std::optional<Applier::Stop> Applier::InSavepoint(size_t task, const Window& window, Range range) {
  if (Status status = connection_->Savepoint(); !status) return Stop{range.last, status.error()};
  auto stop = ApplyRange(task, window, range);
  if (!stop) {
    if (Status status = connection_->ReleaseSavepoint(); !status) {
      return Stop{range.last, status.error()};
    }
    return std::nullopt;
  }
  TakeBack(task);
  return stop;
}

void Applier::TakeBack(size_t task) {
  connection_->RollbackToSavepoint();
  tasks_[task]->Discard();
  service_.RolledBack();
}

std::optional<Applier::Stop> Applier::ApplyRange(size_t task, const Window& window, Range range) {
  for (size_t i = range.first; i < range.last; ++i) {
    if (!tasks_[task]->Takes(window.block.records[i].kind)) continue;
    if (Status status = ApplyOne(task, window, i); !status) return Stop{i, status.error()};
  }
  if (Status status = tasks_[task]->Flush(); !status) return Stop{range.last, status.error()};
  return std::nullopt;
}

Status Applier::ApplyOne(size_t task, const Window& window, size_t index) {
  const RecordView& record = window.block.records[index];
  if (!waiting_.empty() && WaitsForReplay(task, record.offset)) {
    return Fail(ErrorCode::kInvalidArgument, kWaitsForReplay);
  }
  const Turn turn{.visible_at = record.offset, .handled_ahead = HandledAhead(task, record)};
  return tasks_[task]->Apply(window, index, turn);
}

bool Applier::HandledAhead(size_t task, const RecordView& record) const {
  return (record.flags & journal::kUrgent) != 0 && tasks_[task]->has_express() &&
         record.offset < staged_[task].ahead;
}

// What the express lane did has its span already.
void Applier::Trace(size_t task, const Window& window, int64_t start_ns) {
  for (const Computed::Traced& traced : window.computed->traced) {
    const RecordView& record = window.block.records[traced.index];
    if (!tasks_[task]->Takes(record.kind) || HandledAhead(task, record)) continue;
    spans_.Add({NameOf(task), &window, traced.index, traced.of, start_ns});
  }
}

Status Applier::Quarantine(size_t task, const RecordView& record, const std::string& reason) {
  WEIR_ASSIGN_OR_RETURN(const bool added, ledger_.Quarantine(NameOf(task), record, reason));
  if (added) ++staged_[task].quarantined;
  spans_.Quarantined(NameOf(task), record.offset);
  return {};
}

Status Applier::ApplyExpress(const Express& express) {
  return InTransaction([&]() -> Status {
    // In order of offset: a pause holds for the urgent records behind it.
    auto control = express.control.begin();
    const auto apply_control_below = [&](std::optional<Offset> offset) -> Status {
      for (; control != express.control.end() && (!offset || control->offset < *offset);
           ++control) {
        WEIR_ASSIGN_OR_RETURN(const journal::Record record, journal_.ReadOne(control->offset));
        WEIR_RETURN_IF_ERROR(ApplyControl(record.view()));
      }
      return {};
    };
    std::vector<size_t> running(express.express.begin(), express.express.end());
    for (const journal::ControlEntry& entry : express.urgent) {
      WEIR_RETURN_IF_ERROR(apply_control_below(entry.offset));
      std::erase_if(running, [&](size_t task) {
        if (!staged_[task].paused) return false;
        staged_[task].ahead = std::max(staged_[task].ahead, entry.offset);
        return true;
      });
      if (!running.empty()) WEIR_RETURN_IF_ERROR(ApplyUrgent(entry.offset, running));
    }
    for (const size_t task : running) {
      staged_[task].ahead = std::max(staged_[task].ahead, express.ahead_end);
    }
    WEIR_RETURN_IF_ERROR(apply_control_below(std::nullopt));
    staged_.back().cursor = std::max(staged_.back().cursor, express.control_end);
    return {};
  });
}

Status Applier::ApplyUrgent(Offset offset, std::span<const size_t> tasks) {
  WEIR_ASSIGN_OR_RETURN(const journal::Record record, journal_.ReadOne(offset));
  Window window;
  window.begin = offset;
  window.end = offset + 1;
  window.block.records.push_back(record.view());
  WEIR_ASSIGN_OR_RETURN(window.computed,
                        service_.Compute(window.block, instruments_, std::nullopt));
  for (const size_t task : tasks) {
    // Its turn may have come first, while the express lane stood still.
    if (offset < staged_[task].ahead || offset < staged_[task].cursor) continue;
    if (!tasks_[task]->Takes(record.kind)) continue;
    const int64_t start = clock_.SteadyNs();
    WEIR_RETURN_IF_ERROR(connection_->Savepoint());
    Status status = tasks_[task]->ApplyAhead(window, 0);
    if (status) {
      WEIR_RETURN_IF_ERROR(connection_->ReleaseSavepoint());
    } else {
      TakeBack(task);
      if (!IsTheRecords(status.error())) return status;
      WEIR_RETURN_IF_ERROR(Quarantine(task, window.block.records[0], status.error().message));
    }
    if (spans_.wanted(window)) {
      spans_.Add({NameOf(task), &window, 0, window.computed->traced[0].of, start, true});
    }
  }
  return {};
}

Status Applier::ApplyControl(const RecordView& record) {
  // A replay has a savepoint of its own, and its failure is the replayed record's.
  if (record.kind == static_cast<uint16_t>(Kind::kReplay)) {
    Status status = Replay(record);
    if (status || !IsTheRecords(status.error())) return status;
    return Quarantine(tasks_.size(), record, status.error().message);
  }
  WEIR_RETURN_IF_ERROR(connection_->Savepoint());
  Status status = DispatchControl(record);
  if (status) return connection_->ReleaseSavepoint();
  connection_->RollbackToSavepoint();
  service_.RolledBack();
  if (!IsTheRecords(status.error())) return status;
  return Quarantine(tasks_.size(), record, status.error().message);
}

Status Applier::DispatchControl(const RecordView& record) {
  switch (static_cast<Kind>(record.kind)) {
    case Kind::kDefinition:
      WEIR_RETURN_IF_ERROR(instruments_.Add(record.body, record.offset));
      return ledger_.AddDefinition(record.body, record.offset);
    case Kind::kTaskState:
      return SetPaused(record);
    default:
      return service_.ApplyControl(record);
  }
}

Status Applier::SetPaused(const RecordView& record) {
  const auto head = wire::DecodeTaskState(record.head);
  if (!head) return Fail(ErrorCode::kInvalidArgument, head.error().message);
  const size_t task = IndexOf(head->task);
  if (task == tasks_.size()) return Fail(ErrorCode::kInvalidArgument, "names no task");
  staged_[task].paused = head->paused;
  return {};
}

Status Applier::Replay(const RecordView& record) {
  const auto head = wire::DecodeReplay(record.head);
  if (!head) return Fail(ErrorCode::kInvalidArgument, head.error().message);
  const size_t task = IndexOf(head->task);
  if (task == tasks_.size()) return Fail(ErrorCode::kInvalidArgument, "names no task");
  if (head->record >= staged_[task].cursor) {
    // Not reached yet: a store that is behind the journal, where the lanes overtake the windows.
    const std::string name(NameOf(task));
    waiting_.insert({name, head->record, record.offset});
    return ledger_.AddReplay(name, head->record, record.offset);
  }
  return ReplayOne(task, head->record, record.offset);
}

bool Applier::WaitsForReplay(size_t task, Offset record) const {
  const auto found = waiting_.lower_bound({std::string(NameOf(task)), record, std::nullopt});
  return found != waiting_.end() && found->task == NameOf(task) && found->record == record;
}

// What the window's records were left to, now that they are in quarantine.
Status Applier::ReplayWaiting(size_t task, const Window& window) {
  const std::string name(NameOf(task));
  auto at = waiting_.lower_bound({name, window.begin, std::nullopt});
  while (at != waiting_.end() && at->task == name && at->record < window.end) {
    const WaitingReplay waiting = *at++;
    if (!waiting.replay) continue;
    WEIR_RETURN_IF_ERROR(ReplayOne(task, waiting.record, *waiting.replay));
    WEIR_RETURN_IF_ERROR(ledger_.RemoveReplay(name, waiting.record, *waiting.replay));
    waiting_.erase(waiting);
  }
  return {};
}

Status Applier::ReplayOne(size_t task, Offset record, Offset replay) {
  WEIR_ASSIGN_OR_RETURN(const auto copy, ledger_.Quarantined(NameOf(task), record));
  if (!copy) return {};  // replayed before, by another operator

  Window window;
  window.begin = copy->offset;
  window.end = copy->offset + 1;
  window.block.records.push_back(copy->view());
  WEIR_ASSIGN_OR_RETURN(window.computed, service_.Compute(window.block, instruments_, replay));
  const int64_t start = clock_.SteadyNs();
  WEIR_RETURN_IF_ERROR(connection_->Savepoint());
  Status status = tasks_[task]->Apply(window, 0, Turn{.visible_at = replay, .replayed = true});
  if (status) status = tasks_[task]->Flush();
  if (status) {
    if (spans_.wanted(window)) {
      spans_.Add({NameOf(task), &window, 0, window.computed->traced[0].of, start, false, replay});
    }
    WEIR_RETURN_IF_ERROR(connection_->ReleaseSavepoint());
    --staged_[task].quarantined;
    return ledger_.Release(NameOf(task), copy->offset);
  }
  TakeBack(task);
  if (!IsTheRecords(status.error())) return status;
  return ledger_.NoteAttempt(NameOf(task), copy->offset, status.error().message);
}

}  // namespace weir::tasks

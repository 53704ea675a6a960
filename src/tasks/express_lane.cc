#include "tasks/express_lane.h"

#include <algorithm>

#include "wire/kinds.h"

namespace weir::tasks {
namespace {

using base::Fail;
using base::Result;
using base::Status;
using journal::ControlEntry;

// Of one read of the index, and of one transaction: some 10 ms of work.
constexpr size_t kEntriesMax = 4096;
constexpr size_t kRecordsMax = 256;

bool IsUrgent(const ControlEntry& entry) { return (entry.flags & journal::kUrgent) != 0; }
bool IsCommand(const ControlEntry& entry) {
  return entry.kind != static_cast<uint16_t>(wire::Kind::kReport);
}

struct Found {
  std::vector<ControlEntry> entries;
  Offset end;  // everything below was looked at
};

// The next entries in [from, end) that are wanted, at most kRecordsMax.
template <class Wanted>
Result<Found> Scan(const journal::Journal& journal, Offset from, Offset end, Wanted wanted) {
  Found found{{}, from};
  while (found.end < end) {
    WEIR_ASSIGN_OR_RETURN(const auto entries, journal.Controls(found.end, kEntriesMax));
    for (const ControlEntry& entry : entries) {
      if (entry.offset >= end) break;
      if (wanted(entry)) found.entries.push_back(entry);
      found.end = entry.offset + 1;
      if (found.entries.size() == kRecordsMax) return found;
    }
    if (entries.size() < kEntriesMax || entries.back().offset >= end) found.end = end;
  }
  return found;
}

}  // namespace

// In memory only: the rows come with the control records' own turn.
Status ExpressLane::LearnInstruments(Offset end) {
  while (known_end_ < end) {
    WEIR_ASSIGN_OR_RETURN(const Found found,
                          Scan(journal_, known_end_, end, [](const ControlEntry& entry) {
                            return entry.kind == static_cast<uint16_t>(wire::Kind::kDefinition);
                          }));
    for (const ControlEntry& entry : found.entries) {
      WEIR_ASSIGN_OR_RETURN(const journal::Record record, journal_.ReadOne(entry.offset));
      // One that does not compile is quarantined in its turn, and what names it with it.
      (void)instruments_.Add(record.body, record.offset);
    }
    known_end_ = found.end;
  }
  return {};
}

Result<ExpressLane::Done> ExpressLane::Step(Offset end, const std::vector<size_t>& urgent) {
  WEIR_RETURN_IF_ERROR(LearnInstruments(end));
  ahead_.resize(applier_.task_count());

  Found ahead{{}, end};
  std::vector<size_t> tasks;  // those of `urgent` that stand furthest back, together
  for (const size_t task : urgent) {
    const Offset from = AheadOf(task);
    if (tasks.empty() || from < ahead.end)
      tasks = {task}, ahead.end = from;
    else if (from == ahead.end)
      tasks.push_back(task);
  }
  if (!tasks.empty() && ahead.end < end) {
    WEIR_ASSIGN_OR_RETURN(ahead, Scan(journal_, ahead.end, end, IsUrgent));
  }
  WEIR_ASSIGN_OR_RETURN(const Found control, Scan(journal_, control_, end, IsCommand));

  const Applier::Express both{.urgent = ahead.entries,
                              .express = tasks,
                              .ahead_end = ahead.end,
                              .control = control.entries,
                              .control_end = control.end};
  Done done;
  Status status = Apply(both, &done);
  if (!status && !ahead.entries.empty() && !control.entries.empty()) {
    // A record of one sort that cannot be read or written must not hold up those of the other.
    Applier::Express one = both;
    one.control = {}, one.control_end = control_;
    const Status urgent_status = Apply(one, &done);
    one = both;
    one.urgent = {}, one.ahead_end = Offset(0);
    const Status control_status = Apply(one, &done);
    status = urgent_status ? control_status : urgent_status;
  }
  if (!status) return Fail(status.error());
  applier_.Looked(control_, ahead_);
  done.more = control_ < end || std::ranges::any_of(urgent, [&](size_t task) {
                return !applier_.progress(task).paused && AheadOf(task) < end;
              });
  return done;
}

Status ExpressLane::Apply(const Applier::Express& express, Done* done) {
  const size_t records = express.urgent.size() + express.control.size();
  if (records > 0) {
    WEIR_RETURN_IF_ERROR(applier_.ApplyExpress(express));
    done->records += records;
    ++done->commits;
  }
  control_ = std::max(control_, express.control_end);
  for (const size_t task : express.express) {
    // One that was paused on the way, be it resumed since, stands where the applier left it.
    ahead_[task] = records > 0 ? applier_.progress(task).ahead : express.ahead_end;
  }
  return {};
}

Offset ExpressLane::AheadOf(size_t task) const {
  const Progress& progress = applier_.progress(task);
  return std::max({ahead_[task], progress.ahead, progress.cursor});
}

}  // namespace weir::tasks

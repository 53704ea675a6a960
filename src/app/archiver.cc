#include "app/archiver.h"

#include <algorithm>

namespace weir::app {
namespace {

constexpr int64_t kGapNs = 60'000'000'000;
constexpr int64_t kDayMs = 86'400'000;
// Records asked for at once: enough to hold a segment, so that few requests move nothing.
constexpr uint64_t kStepRecords = 100'000;

}  // namespace

Archiver::Archiver(config::JournalArchive options, const Parts& parts)
    : options_(std::move(options)), parts_(parts) {
  if (options_.directory.empty()) return;
  worker_ = std::make_unique<exec::WorkerPool>(
      exec::WorkerPool::Options{.name = "archive", .threads = 1, .queue_max = 1, .nice = 19});
}

void Archiver::Tick() {
  if (!worker_ || parts_.clock.SteadyNs() < next_look_ns_) return;
  next_look_ns_ = parts_.clock.SteadyNs() + kGapNs;
  // Refused: the look before is still at work.
  (void)worker_->TrySubmit([this] { Look(); });
}

void Archiver::Stop() {
  if (worker_) worker_->Stop(0);
}

void Archiver::Look() {
  base::Offset end = parts_.journal.durable_end();
  for (const tasks::TaskStatus& task : parts_.engine.status()) end = std::min(end, task.cursor);
  const base::Offset begin = parts_.journal.begin();
  const auto young = FirstSince(parts_.clock.WallMs() - options_.after_days * kDayMs, end);
  base::Offset now_begin = begin;
  base::Status moved;
  if (!young) moved = base::Fail(young.error());
  for (base::Offset before = begin; moved && before < *young && !worker_->stopping();) {
    before = std::min(*young, before + kStepRecords);
    auto new_begin = parts_.journal.Archive(before, options_.directory);
    if (new_begin) {
      now_begin = *new_begin;
    } else {
      moved = base::Fail(new_begin.error());
    }
  }
  if (now_begin > begin) {
    parts_.log.Info("journal.archived", "segments were moved to the archive",
                    {observe::FromOffset(begin), observe::ToOffset(now_begin)});
  }
  if (!moved) {
    parts_.log.Warn("journal.archive_failed", "segments could not be moved to the archive",
                    {observe::Because(moved.error())});
  }
}

base::Result<base::Offset> Archiver::FirstSince(int64_t time_ms, base::Offset end) const {
  base::Offset low = parts_.journal.begin(), high = std::max(low, end);
  while (low < high) {
    const base::Offset middle = low + (high - low) / 2;
    WEIR_ASSIGN_OR_RETURN(const journal::Record record, parts_.journal.ReadOne(middle));
    if (record.time_ms < time_ms) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace weir::app

#include "journal/group_commit.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "exec/thread.h"

namespace weir::journal {

using base::ErrorCode;

namespace {

// Records ahead of the one being decided whose places in the index are fetched: at some 0.2 µs a
// record, about what memory takes to answer.
constexpr size_t kPrefetchAhead = 4;

}  // namespace

GroupCommit::GroupCommit(Writer& writer, Admission& admission, GroupCommitObserver& observer,
                         size_t pending_bytes_max)
    : writer_(writer),
      admission_(admission),
      observer_(observer),
      pending_bytes_max_(pending_bytes_max) {}

GroupCommit::~GroupCommit() { WEIR_CHECK(!thread_.joinable()); }

void GroupCommit::Start() {
  thread_ = std::thread([this] {
    exec::SetThreadName("journal");
    Run();
  });
}

size_t GroupCommit::WeightOf(const Handover& batch) {
  return batch.bytes() + batch.items().size() * sizeof(Handover::Item);
}

bool GroupCommit::Submit(std::unique_ptr<Handover>& batch) {
  const size_t weight = WeightOf(*batch);
  std::unique_lock lock(mutex_);
  if (stopping_ || error_) {
    lock.unlock();
    for (Handover::Item& item : batch->items()) item.outcome = Outcome::kStopped;
    HandoverSink* const sink = batch->sink();
    sink->Completed(std::move(batch), true);
    return true;
  }
  const uint64_t waiting = pending_bytes_.load(std::memory_order_relaxed);
  // A batch larger than the bound itself passes alone.
  if (waiting > 0 && waiting + weight > pending_bytes_max_) return false;
  pending_bytes_.store(waiting + weight, std::memory_order_relaxed);
  pending_records_.fetch_add(batch->items().size(), std::memory_order_relaxed);
  pending_.push_back(std::move(batch));
  const bool wake = std::exchange(sleeping_, false);
  lock.unlock();
  if (wake) wake_.notify_one();
  return true;
}

void GroupCommit::AwaitRoom(size_t bytes) {
  std::unique_lock lock(mutex_);
  ++room_waiters_;
  room_.wait(lock, [&] {
    const uint64_t waiting = pending_bytes_.load(std::memory_order_relaxed);
    return stopping_ || error_ || waiting == 0 || waiting + bytes <= pending_bytes_max_;
  });
  --room_waiters_;
}

bool GroupCommit::TakePending() {
  std::unique_lock lock(mutex_);
  while (pending_.empty()) {
    if (stopping_) return false;
    sleeping_ = true;
    wake_.wait(lock);
  }
  sleeping_ = false;
  taken_.swap(pending_);
  return true;
}

void GroupCommit::Run() {
  while (TakePending()) {
    do {
      flushed_ = false;
      std::erase_if(work_, [](const InFlight& work) { return !work.batch; });
      const size_t before = work_.size();
      for (auto& batch : taken_) work_.push_back({std::move(batch)});
      taken_.clear();
      for (size_t i = before; i < work_.size(); ++i) Work(work_[i]);
    } while (flushed_ && TakeMore());
    Flush();
    work_.clear();
  }
}

// A group was full and has been synced, and the next one has begun: what was handed over in the
// meantime belongs in it. Never blocks.
bool GroupCommit::TakeMore() {
  const std::lock_guard lock(mutex_);
  taken_.swap(pending_);
  return !taken_.empty();
}

void GroupCommit::Work(InFlight& work) {
  if (!work.batch) return;  // completed when the journal failed
  const auto items = work.batch->items();
  while (work.next < items.size() && !has_failed_) {
    if (const size_t soon = work.next + kPrefetchAhead; soon < items.size()) {
      admission_.Prefetch(items[soon].header.key);
    }
    if (Decide(*work.batch, items[work.next])) {
      ++work.next;
    } else if (!has_failed_) {
      Flush();
      flushed_ = true;
    }
  }
}

bool GroupCommit::Decide(Handover& batch, Handover::Item& item) {
  const auto room = writer_.MakeRoom(item.head_size, item.body_size);
  if (!room) {
    Fail(room.error());
    return false;
  }
  if (*room == Writer::Room::kGroupFull) return false;
  const bool control = (item.header.flags & kControl) != 0;
  if (*room == Writer::Room::kNoSpace) observer_.NoSpace();
  if (*room == Writer::Room::kNoSpace || (control && controls_.size() >= observer_.ControlRoom())) {
    item.outcome = Outcome::kNoSpace;
    return true;
  }
  const Admitted admitted =
      admission_.Admit(item.header.key, item.header.sha256, item.probe, writer_.next());
  item.offset = admitted.offset;
  switch (admitted.verdict) {
    case Verdict::kAppend:
      item.outcome = Outcome::kStored;
      break;
    case Verdict::kAppendConflicting:
      item.outcome = Outcome::kConflict;
      item.header.flags |= kConflicting;
      break;
    case Verdict::kDuplicate:
      item.outcome = Outcome::kDuplicate;
      return true;
    case Verdict::kRepeatedConflict:
      item.outcome = Outcome::kRepeatedConflict;
      return true;
    case Verdict::kConflictLimit:
      item.outcome = Outcome::kConflictLimit;
      return true;
    case Verdict::kProbeAgain:
      item.outcome = Outcome::kProbeAgain;
      return true;
    case Verdict::kIndexFull:
      item.outcome = Outcome::kNoSpace;
      return true;
  }
  item.offset = writer_.Append(item.header, batch.head(item), batch.body(item));
  if (control) controls_.push_back({item.offset, item.header.kind, item.header.flags});
  return true;
}

void GroupCommit::Flush() {
  synced_ = !has_failed_ && writer_.pending();
  if (synced_) {
    if (auto committed = writer_.Commit(); !committed) {
      Fail(committed.error());
    } else {
      observer_.Committed(controls_, writer_.durable(), writer_.chain());
      controls_.clear();
    }
  }
  CompleteDecided();
}

void GroupCommit::CompleteDecided() {
  // Where the journal failed, what is not durable stays unknown until recovery.
  for (InFlight& work : work_) {
    if (!work.batch) continue;
    const auto items = work.batch->items();
    if (has_failed_) {
      for (size_t i = work.group_from; i < items.size(); ++i) items[i].outcome = Outcome::kStopped;
      work.next = items.size();
    }
    work.group_from = work.next;
    if (work.next < items.size()) break;
    done_.push_back(std::move(work.batch));
  }
  if (!done_.empty()) Complete(done_);
}

void GroupCommit::Complete(std::vector<std::unique_ptr<Handover>>& done) {
  uint64_t bytes = 0;
  uint64_t records = 0;
  for (const auto& batch : done) {
    bytes += WeightOf(*batch);
    records += batch->items().size();
    batch->completed_ns = writer_.synced_ns();
    batch->syncs_ns = writer_.syncs_ns();
    batch->sync_ns = synced_ ? writer_.sync_ns() : 0;
  }
  {
    const std::lock_guard lock(mutex_);
    pending_bytes_.store(pending_bytes_.load(std::memory_order_relaxed) - bytes,
                         std::memory_order_relaxed);
    pending_records_.fetch_sub(records, std::memory_order_relaxed);
    if (room_waiters_ > 0) room_.notify_all();
  }
  for (size_t i = 0; i < done.size(); ++i) {
    HandoverSink* const sink = done[i]->sink();
    // A handful of sinks: the next one of the same is near.
    const bool last = std::none_of(done.begin() + static_cast<ptrdiff_t>(i) + 1, done.end(),
                                   [&](const auto& later) { return later->sink() == sink; });
    sink->Completed(std::move(done[i]), last);
  }
  done.clear();
}

void GroupCommit::Fail(const base::Error& error) {
  has_failed_ = true;
  {
    const std::lock_guard lock(mutex_);
    error_ = error;
  }
  observer_.Failed(error);
}

base::Status GroupCommit::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    room_.notify_all();
  }
  wake_.notify_one();
  if (!thread_.joinable()) return {};
  thread_.join();
  if (const auto error = failed()) return base::Fail(ErrorCode::kStopped, error->message);
  if (auto sealed = writer_.Seal(); !sealed) {
    Fail(sealed.error());
    return sealed;
  }
  return {};
}

std::optional<base::Error> GroupCommit::failed() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

}  // namespace weir::journal

#include <algorithm>
#include <chrono>

#include "journal/journal_impl.h"

namespace weir::journal {
namespace {

using base::ErrorCode;

// Decompressed batches for readers: the windows of tasks that are close to one another, and what is
// read back right after it was sent.
constexpr size_t kCacheBytesMax = 8u << 20;

tl::unexpected<base::Error> ReadOnly() {
  return base::Fail(ErrorCode::kUnsupported, "the journal was opened without its index");
}

// Completes one AppendAndWait().
class Waiter final : public HandoverSink {
 public:
  void Completed(std::unique_ptr<Handover> batch, bool) noexcept override {
    const std::lock_guard lock(mutex_);
    batch_ = std::move(batch);
    done_.notify_one();
  }
  std::unique_ptr<Handover> Wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return batch_ != nullptr; });
    return std::move(batch_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::unique_ptr<Handover> batch_;
};

}  // namespace

JournalImpl::JournalImpl(io::FileSystem& files, const base::Clock& clock, Options options)
    : files_(files),
      clock_(clock),
      options_(std::move(options)),
      segments_(files, options_.directory),
      reader_(segments_, kCacheBytesMax) {}

JournalImpl::~JournalImpl() { (void)Stop(); }

WriterOptions JournalImpl::MakeWriterOptions() const {
  return {options_.batch_bytes_max, options_.batch_records_max, options_.compress,
          options_.cached_bytes_max};
}

void JournalImpl::PrefetchProbe(const Key& key) const {
  if (key_index_) key_index_->PrefetchProbe(key);
}

std::optional<Probe> JournalImpl::ProbeMemory(const Key& key) const {
  if (!key_index_) return std::nullopt;
  return key_index_->ProbeMemory(key);
}

base::Result<Probe> JournalImpl::ProbeDisk(const Key& key) const {
  if (!key_index_) return ReadOnly();
  return key_index_->ProbeDisk(key);
}

base::Result<Probe> JournalImpl::ProbeAnyhow(const Key& key) const {
  if (auto probe = ProbeMemory(key)) return std::move(*probe);
  return ProbeDisk(key);
}

base::Result<std::vector<KnownBody>> JournalImpl::Find(const Key& key) const {
  if (!key_index_) return ReadOnly();
  return key_index_->Find(key);
}

bool JournalImpl::Submit(std::unique_ptr<Handover>& batch) {
  if (commit_) return commit_->Submit(batch);
  for (Handover::Item& item : batch->items()) item.outcome = Outcome::kStopped;
  HandoverSink* const sink = batch->sink();
  sink->Completed(std::move(batch), true);
  return true;
}

Journal::Appended JournalImpl::AppendAndWait(const RecordHeader& header, std::string_view head,
                                             std::string_view body) {
  for (;;) {
    // Without its probe the record cannot be told from a repeat: it is not stored.
    auto probe = ProbeAnyhow(header.key);
    if (!probe) return {Outcome::kStopped, Offset()};
    Waiter waiter;
    auto batch = std::make_unique<Handover>(&waiter);
    batch->Add(header, head, body, std::move(*probe), 0);
    while (!Submit(batch)) commit_->AwaitRoom(head.size() + body.size() + sizeof(Handover::Item));
    const auto done = waiter.Wait();
    const Handover::Item& item = done->items().front();
    if (item.outcome != Outcome::kProbeAgain) return {item.outcome, item.offset};
  }
}

Offset JournalImpl::durable_end() const {
  return Offset(durable_end_.load(std::memory_order_acquire));
}

// Right after the last segment was archived there is none: all that is left is the end.
Offset JournalImpl::begin() const { return segments_.empty() ? durable_end() : segments_.begin(); }

bool JournalImpl::WaitBeyond(Offset after, int timeout_ms) const {
  if (durable_end() > after) return true;
  std::unique_lock lock(wait_mutex_);
  // Sequentially consistent with Committed(): either it sees the waiter, or the waiter its offset.
  waiters_.fetch_add(1);
  durable_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                    [&] { return stopped_ || durable_end_.load() > after.value(); });
  waiters_.fetch_sub(1);
  return durable_end() > after;
}

base::Status JournalImpl::Read(Offset from, size_t records_max, size_t bytes_max,
                               Block* block) const {
  return reader_.Read(from, durable_end(), records_max, bytes_max, block);
}

base::Result<Record> JournalImpl::ReadOne(Offset offset) const {
  return reader_.ReadOne(offset, durable_end());
}

base::Result<std::vector<ControlEntry>> JournalImpl::Controls(Offset from, size_t max) const {
  if (!control_index_) return ReadOnly();
  return control_index_->Controls(from, max);
}

base::Result<Offset> JournalImpl::Archive(Offset before, const std::string& to_directory) {
  if (!control_index_) return ReadOnly();
  const std::lock_guard lock(archive_mutex_);
  WEIR_RETURN_IF_ERROR(control_index_->Sync());
  before = std::min({before, key_index_->covered().end, control_index_->covered()});
  for (const SegmentSet::Segment& segment : segments_.segments()) {
    if (!segment.closed || segment.end > before) break;
    WEIR_RETURN_IF_ERROR(ArchiveSegment(files_, options_.directory, segment.first, to_directory));
    segments_.RemoveOldest();
  }
  return begin();
}

Stats JournalImpl::stats() const {
  Stats stats;
  stats.end = durable_end();
  stats.disk_bytes = segments_.disk_bytes();
  if (!writer_) return stats;
  const WriterCounters& counters = writer_->counters();
  stats.syncs = counters.syncs.load(std::memory_order_relaxed);
  stats.records = counters.records.load(std::memory_order_relaxed);
  stats.bytes_written = counters.bytes_written.load(std::memory_order_relaxed);
  stats.sync_ns_total = counters.sync_ns_total.load(std::memory_order_relaxed);
  stats.sync = counters.sync.snapshot();
  stats.pending_bytes = commit_->pending_bytes();
  stats.pending_records = commit_->pending_records();
  stats.no_space = reserve_->no_space();
  return stats;
}

std::optional<base::Error> JournalImpl::failed() const {
  return commit_ ? commit_->failed() : std::nullopt;
}

void JournalImpl::SetFailureHandler(std::function<void(const base::Error&)> on_failure) {
  const std::lock_guard lock(failure_mutex_);
  if (const auto error = failed()) {
    on_failure(*error);
  } else {
    on_failure_ = std::move(on_failure);
  }
}

size_t JournalImpl::ControlRoom() { return control_index_->room(); }

void JournalImpl::Committed(const std::vector<ControlEntry>& controls, Offset end,
                            const Digest& chain) {
  control_index_->Committed(controls, end);
  key_index_->Durable(end, chain);
  durable_end_.store(end.value());
  if (waiters_.load() > 0) {
    const std::lock_guard lock(wait_mutex_);
    durable_.notify_all();
  }
  // The next segment is made ready while the second and third quarter of this one are filled.
  const uint64_t bytes = writer_->segment_bytes();
  const uint64_t used = writer_->position();
  const uint64_t goal = used <= bytes / 4 ? 0 : 2 * (used - bytes / 4);
  if (goal < reserve_goal_sent_) reserve_goal_sent_ = 0;
  if (goal >= reserve_goal_sent_ + Reserve::kStepBytes) {
    reserve_goal_sent_ = goal;
    WakeReserve(goal, false);
  }
}

void JournalImpl::NoSpace() { WakeReserve(0, true); }

void JournalImpl::Failed(const base::Error& error) {
  const std::lock_guard lock(failure_mutex_);
  if (on_failure_) std::exchange(on_failure_, nullptr)(error);
}

void JournalImpl::WakeReserve(uint64_t goal, bool retry) {
  const std::lock_guard lock(reserve_mutex_);
  if (retry && reserve_retry_) return;
  reserve_goal_ = goal;
  reserve_retry_ = reserve_retry_ || retry;
  reserve_wake_.notify_one();
}

void JournalImpl::RunReserve() {
  constexpr auto kRetry = std::chrono::nanoseconds(Reserve::kRetryNs);
  std::unique_lock lock(reserve_mutex_);
  while (!reserve_stopping_) {
    if (reserve_retry_) {
      reserve_wake_.wait_for(lock, kRetry, [this] { return reserve_stopping_; });
    } else {
      reserve_wake_.wait(
          lock, [this] { return reserve_stopping_ || reserve_goal_ > 0 || reserve_retry_; });
    }
    uint64_t goal = std::exchange(reserve_goal_, 0);
    const bool wanted = goal > 0 || reserve_retry_;
    while (wanted && !reserve_stopping_) {
      lock.unlock();
      const auto advanced = reserve_->Advance(goal);
      lock.lock();
      // A final error meets the writer when it takes the segment.
      if (!advanced && advanced.error().code != ErrorCode::kNoSpace) return;
      reserve_retry_ = !advanced;
      if (!advanced || !*advanced) break;
    }
  }
}

base::Status JournalImpl::Stop() {
  {
    const std::lock_guard lock(wait_mutex_);
    if (stopped_) return {};
    stopped_ = true;
    durable_.notify_all();
  }
  if (reserve_thread_.joinable()) {
    {
      const std::lock_guard lock(reserve_mutex_);
      reserve_stopping_ = true;
      reserve_wake_.notify_one();
    }
    reserve_thread_.join();
  }
  base::Status status;
  if (commit_) status = commit_->Stop();
  if (key_index_) {
    const auto controls = control_index_->Sync();
    const auto keys = key_index_->Stop();
    if (status && !controls) status = base::Fail(controls.error());
    if (status && !keys) status = base::Fail(keys.error());
  }
  lock_.reset();
  return status;
}

}  // namespace weir::journal

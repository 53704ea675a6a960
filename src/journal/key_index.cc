#include "journal/key_index.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "base/check.h"
#include "exec/thread.h"
#include "io/file_system.h"
#include "journal/recent_table.h"
#include "journal/run_store.h"

namespace weir::journal {
namespace {

using base::ErrorCode;
using base::Fail;

// Between two looks at whether a table waits to be flushed: under 2 ms of work.
constexpr size_t kMergeStepEntries = 4096;
// Merging that has fallen this far behind goes on without a pause.
constexpr size_t kUnthrottledRuns = 48;

}  // namespace

class KeyIndex::Impl {
 public:
  Impl(KeyIndexOptions options, std::unique_ptr<RunStore> store)
      : options_(std::move(options)),
        table_entries_(TableEntries(options_)),
        store_(std::move(store)),
        tables_{RecentTable(TableCapacity(options_), options_.hash_seed),
                RecentTable(TableCapacity(options_), options_.hash_seed)} {
    active_begin_ = memory_begin_ = covered().end;
    durable_end_ = active_begin_.value();
    background_ = std::thread([this] { Background(); });
  }
  ~Impl() { JoinBackground(/*finish_flush=*/false); }

  static size_t TableEntries(const KeyIndexOptions& options) {
    return std::max<size_t>(options.recent_keys_max / 2, 1);
  }
  static size_t TableCapacity(const KeyIndexOptions& options) {
    return TableEntries(options) + options.batch_records_max;
  }

  Covered covered() const {
    return store_->With([](const RunSet& set) {
      return Covered{set.covered().end, set.covered().chain};
    });
  }
  base::Status DiscardRuns();
  base::Status Replay(const RecordView& record);
  Admitted Admit(const Key& key, const Digest& sha256, const Probe& probe, Offset next);
  void Durable(Offset end, const Digest& chain);
  std::optional<Probe> ProbeMemory(const Key& key) const;
  void PrefetchProbe(const Key& key) const {
    if (!key.none()) store_->With([&](const RunSet& set) { set.Prefetch(key); });
  }
  void Prefetch(const Key& key) const {
    const uint64_t hash = active_->Hash(key);
    active_->Prefetch(hash);
    frozen_->Prefetch(hash);
  }
  base::Result<Probe> ProbeDisk(const Key& key) const;
  base::Result<std::vector<KnownBody>> Find(const Key& key) const;
  std::optional<base::Error> failing() const;
  Stats stats() const;
  base::Status Stop();

 private:
  // A frozen table on its way into a run.
  struct Flush {
    const RecentTable* table;
    RunRange range;
  };
  using Lock = std::unique_lock<std::mutex>;

  void Freeze(Offset end, const Digest& chain);
  bool FreezeWhatIsDurable();
  base::Status FindInRuns(const RunSet& set, const Key& key, std::vector<KnownBody>* bodies) const;
  void Background();
  void TryFlush(Lock& lock);
  void MergeSome(Lock& lock);
  void JoinBackground(bool finish_flush);

  const KeyIndexOptions options_;
  const size_t table_entries_;
  const std::unique_ptr<RunStore> store_;

  // The journal's thread changes these, under tables_mutex_ held alone except for inserting into
  // the active table; others read them under tables_mutex_ held shared.
  mutable std::shared_mutex tables_mutex_;
  RecentTable tables_[2];
  RecentTable* active_ = &tables_[0];
  RecentTable* frozen_ = &tables_[1];  // kept after its flush, until the next table is frozen
  std::atomic<uint64_t> durable_end_{0};

  // Journal thread only. Memory holds every keyed record at or above memory_begin_.
  Offset memory_begin_;
  Offset active_begin_;  // of the range of offsets that the active table holds
  Digest durable_chain_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Flush> flush_;
  bool merge_wanted_ = true;
  bool stopping_ = false;
  bool finish_flush_ = false;
  std::optional<base::Error> flush_error_;
  std::optional<base::Error> merge_error_;
  mutable std::optional<base::Error> damage_;
  std::thread background_;
};

base::Status KeyIndex::Impl::DiscardRuns() {
  WEIR_CHECK(active_->size() == 0 && frozen_->size() == 0);
  JoinBackground(/*finish_flush=*/false);
  base::Status discarded = store_->Discard();
  active_begin_ = memory_begin_ = covered().end;
  durable_end_ = active_begin_.value();
  stopping_ = false;
  background_ = std::thread([this] { Background(); });
  return discarded;
}

base::Status KeyIndex::Impl::Replay(const RecordView& record) {
  if (record.offset < active_begin_ || record.key.none()) return {};
  if (active_->full()) {
    const Lock lock(mutex_);
    if (flush_error_) return Fail(*flush_error_);
    return Fail(ErrorCode::kTooLarge,
                "the journal has a batch of more keyed records than the index has room for: "
                "raise batch_records_max, now " +
                    std::to_string(options_.batch_records_max));
  }
  active_->Insert(
      KeyEntry::Of(record.key, record.sha256, record.offset, (record.flags & kConflicting) != 0),
      active_->Hash(record.key));
  return {};
}

Admitted KeyIndex::Impl::Admit(const Key& key, const Digest& sha256, const Probe& probe,
                               Offset next) {
  if (key.none()) return {Verdict::kAppend, next};
  if (probe.version < memory_begin_.value()) return {Verdict::kProbeAgain, next};
  size_t bodies = 0;
  size_t conflicts = 0;
  Offset first = next;
  std::optional<Admitted> repeat;
  const auto see = [&](const Digest& known, Offset offset, bool conflicting) {
    ++bodies;
    if (conflicting) {
      ++conflicts;
    } else {
      first = offset;
    }
    if (known != sha256) return;
    repeat = {conflicting ? Verdict::kRepeatedConflict : Verdict::kDuplicate, offset};
  };
  const auto see_entry = [&](const KeyEntry& entry) {
    see(entry.sha256, entry.offset(), entry.conflicting());
  };
  const uint64_t hash = active_->Hash(key);
  active_->ForEach(key, hash, see_entry);
  frozen_->ForEach(key, hash, see_entry);
  for (const KnownBody& body : probe.bodies) {
    // From memory_begin_ on the tables hold everything, and have been asked.
    if (body.offset < memory_begin_) see(body.sha256, body.offset, body.conflicting);
  }
  if (repeat) return *repeat;
  if (bodies > 0 && conflicts >= options_.conflicts_per_key_max) {
    return {Verdict::kConflictLimit, first};
  }
  if (active_->full() && !FreezeWhatIsDurable()) return {Verdict::kIndexFull, next};
  active_->Insert(KeyEntry::Of(key, sha256, next, bodies > 0), hash);
  return {bodies > 0 ? Verdict::kAppendConflicting : Verdict::kAppend, next};
}

void KeyIndex::Impl::Durable(Offset end, const Digest& chain) {
  const auto entries = active_->entries();
  WEIR_CHECK(entries.empty() || entries.back().offset() < end);
  durable_end_.store(end.value(), std::memory_order_release);
  durable_chain_ = chain;
  if (end <= active_begin_) return;
  if (entries.size() < table_entries_ && end - active_begin_ < options_.tail_records_max) return;
  {
    Lock lock(mutex_);
    const bool room = entries.size() + options_.batch_records_max <= active_->capacity();
    if (!room) {
      changed_.wait(lock, [&] { return !flush_ || flush_error_ || stopping_; });
    }
    if (flush_) return;
  }
  Freeze(end, chain);
}

// Nothing is appended while the table is full, and so no Durable() comes to freeze it.
bool KeyIndex::Impl::FreezeWhatIsDurable() {
  const Offset end(durable_end_.load(std::memory_order_relaxed));
  if (active_->entries().back().offset() >= end) return false;
  {
    const Lock lock(mutex_);
    if (flush_) return false;
  }
  Freeze(end, durable_chain_);
  return true;
}

// The other table's run is installed: what it held is found there by every probe of that version or
// a later one, and Admit() refuses older ones from here on.
void KeyIndex::Impl::Freeze(Offset end, const Digest& chain) {
  {
    const std::unique_lock lock(tables_mutex_);
    frozen_->Clear();
    std::swap(active_, frozen_);
    memory_begin_ = active_begin_;
    active_begin_ = end;
  }
  const Lock lock(mutex_);
  flush_ = Flush{frozen_, {memory_begin_, end, chain}};
  changed_.notify_all();
}

std::optional<Probe> KeyIndex::Impl::ProbeMemory(const Key& key) const {
  return store_->With([&](const RunSet& set) -> std::optional<Probe> {
    if (!key.none() && set.MayContain(key)) return std::nullopt;
    return Probe{set.covered().end.value(), {}};
  });
}

base::Result<Probe> KeyIndex::Impl::ProbeDisk(const Key& key) const {
  const auto set = store_->Get();
  Probe probe{set->covered().end.value(), {}};
  if (!key.none()) WEIR_RETURN_IF_ERROR(FindInRuns(*set, key, &probe.bodies));
  return probe;
}

base::Result<std::vector<KnownBody>> KeyIndex::Impl::Find(const Key& key) const {
  std::vector<KnownBody> bodies;
  if (key.none()) return bodies;
  {
    // Memory before runs: what leaves memory in between is in the runs by then.
    const std::shared_lock lock(tables_mutex_);
    const Offset end(durable_end_.load(std::memory_order_acquire));
    const auto take = [&](const KeyEntry& entry) {
      if (entry.offset() < end) bodies.push_back(entry.body());
    };
    const uint64_t hash = active_->Hash(key);
    active_->ForEach(key, hash, take);
    frozen_->ForEach(key, hash, take);
  }
  WEIR_RETURN_IF_ERROR(FindInRuns(*store_->Get(), key, &bodies));
  return bodies;
}

base::Status KeyIndex::Impl::FindInRuns(const RunSet& set, const Key& key,
                                        std::vector<KnownBody>* bodies) const {
  auto found = set.Find(key, bodies);
  if (!found && found.error().code == ErrorCode::kCorruption) {
    store_->TryMoveDamagedAside();
    const Lock lock(mutex_);
    damage_ = found.error();
  }
  return found;
}

std::optional<base::Error> KeyIndex::Impl::failing() const {
  const Lock lock(mutex_);
  if (flush_error_) return flush_error_;
  return damage_ ? damage_ : merge_error_;
}

KeyIndex::Stats KeyIndex::Impl::stats() const {
  Stats stats;
  {
    const std::shared_lock lock(tables_mutex_);
    stats.keys_in_memory = active_->size() + frozen_->size();
    stats.tables_memory_bytes = active_->memory_bytes() + frozen_->memory_bytes();
  }
  const auto set = store_->Get();
  stats.runs = set->runs().size();
  stats.runs_memory_bytes = set->memory_bytes();
  for (const Run& run : set->runs()) {
    for (const auto& slice : run.slices) stats.entries_in_runs += slice->entries;
    stats.disk_bytes += run.disk_bytes();
  }
  const RunStore::Stats store = store_->stats();
  stats.flushes = store.flushes;
  stats.merges = store.merges;
  stats.bytes_written = store.bytes_written;
  stats.moved_aside = store.moved_aside;
  const Lock lock(mutex_);
  stats.busy = flush_ || merge_wanted_;
  return stats;
}

base::Status KeyIndex::Impl::Stop() {
  JoinBackground(/*finish_flush=*/true);
  if (flush_) return Fail(*flush_error_);
  const Offset end(durable_end_.load(std::memory_order_relaxed));
  if (end - active_begin_ <= options_.tail_kept_at_stop_max) return {};
  WEIR_RETURN_IF_ERROR(store_->Flush(active_->entries(), {active_begin_, end, durable_chain_},
                                     options_.before_checkpoint));
  active_begin_ = end;
  return {};
}

void KeyIndex::Impl::JoinBackground(bool finish_flush) {
  {
    const Lock lock(mutex_);
    stopping_ = true;
    finish_flush_ = finish_flush;
    changed_.notify_all();
  }
  if (background_.joinable()) background_.join();
}

void KeyIndex::Impl::Background() {
  exec::SetThreadName("index");
  Lock lock(mutex_);
  while (!stopping_) {
    if (flush_) {
      TryFlush(lock);
    } else if (merge_wanted_) {
      MergeSome(lock);
    } else {
      changed_.wait(lock, [&] { return stopping_ || flush_; });
    }
  }
  if (finish_flush_ && flush_) TryFlush(lock);
}

void KeyIndex::Impl::TryFlush(Lock& lock) {
  const Flush flush = *flush_;
  lock.unlock();
  base::Status flushed =
      store_->Flush(flush.table->entries(), flush.range, options_.before_checkpoint);
  lock.lock();
  if (flushed) {
    flush_.reset();
    flush_error_.reset();
    merge_wanted_ = true;
    changed_.notify_all();
    return;
  }
  flush_error_ = flushed.error();
  changed_.notify_all();
  changed_.wait_for(lock, std::chrono::milliseconds(options_.retry_ms), [&] { return stopping_; });
}

void KeyIndex::Impl::MergeSome(Lock& lock) {
  lock.unlock();
  const auto moved = store_->MergeStep(kMergeStepEntries);
  const size_t runs = store_->With([](const RunSet& set) { return set.runs().size(); });
  if (!moved && moved.error().code == ErrorCode::kCorruption) store_->TryMoveDamagedAside();
  lock.lock();
  std::chrono::nanoseconds pause{0};
  if (moved) merge_error_.reset();
  if (!moved) {
    merge_error_ = moved.error();
    if (moved.error().code == ErrorCode::kCorruption) damage_ = moved.error();
    pause = std::chrono::milliseconds(options_.retry_ms);
  } else if (*moved == 0) {
    merge_wanted_ = false;
  } else if (options_.merge_bytes_per_second_max > 0 && runs < kUnthrottledRuns) {
    const double seconds =
        static_cast<double>(*moved) / static_cast<double>(options_.merge_bytes_per_second_max);
    pause = std::chrono::nanoseconds(static_cast<int64_t>(seconds * 1e9));
  }
  if (pause.count() > 0) changed_.wait_for(lock, pause, [&] { return stopping_ || flush_; });
}

base::Result<std::unique_ptr<KeyIndex>> KeyIndex::Open(io::FileSystem& files,
                                                       KeyIndexOptions options) {
  RunStoreOptions store_options;
  store_options.directory = options.directory;
  store_options.table_entries = Impl::TableEntries(options);
  store_options.table_entries_max = Impl::TableCapacity(options);
  store_options.slice_entries_max = options.slice_entries_max;
  store_options.seed = options.hash_seed;
  WEIR_ASSIGN_OR_RETURN(auto store, RunStore::Open(files, std::move(store_options)));
  return std::unique_ptr<KeyIndex>(
      new KeyIndex(std::make_unique<Impl>(std::move(options), std::move(store))));
}

KeyIndex::KeyIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KeyIndex::~KeyIndex() = default;
KeyIndex::Covered KeyIndex::covered() const { return impl_->covered(); }
base::Status KeyIndex::DiscardRuns() { return impl_->DiscardRuns(); }
base::Status KeyIndex::Replay(const RecordView& record) { return impl_->Replay(record); }
Admitted KeyIndex::Admit(const Key& key, const Digest& sha256, const Probe& probe, Offset next) {
  return impl_->Admit(key, sha256, probe, next);
}
void KeyIndex::Durable(Offset end, const Digest& chain) { impl_->Durable(end, chain); }
std::optional<Probe> KeyIndex::ProbeMemory(const Key& key) const { return impl_->ProbeMemory(key); }
void KeyIndex::PrefetchProbe(const Key& key) const { impl_->PrefetchProbe(key); }
void KeyIndex::Prefetch(const Key& key) const { impl_->Prefetch(key); }
base::Result<Probe> KeyIndex::ProbeDisk(const Key& key) const { return impl_->ProbeDisk(key); }
base::Result<std::vector<KnownBody>> KeyIndex::Find(const Key& key) const {
  return impl_->Find(key);
}
std::optional<base::Error> KeyIndex::failing() const { return impl_->failing(); }
KeyIndex::Stats KeyIndex::stats() const { return impl_->stats(); }
base::Status KeyIndex::Stop() { return impl_->Stop(); }

base::Result<uint64_t> VerifyRuns(io::FileSystem& files, const std::string& directory) {
  uint64_t entries = 0;
  const auto names = files.List(directory);
  if (!names && names.error().code == ErrorCode::kNotFound) return entries;
  if (!names) return Fail(names.error());
  for (const std::string& name : *names) {
    if (!ParseRunName(name)) continue;
    WEIR_ASSIGN_OR_RETURN(const Run run, OpenRun(files, directory, name));
    WEIR_RETURN_IF_ERROR(VerifyRun(run));
    entries += run.entries;
  }
  return entries;
}

}  // namespace weir::journal

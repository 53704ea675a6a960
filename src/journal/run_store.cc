#include "journal/run_store.h"

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace weir::journal {
namespace {

using base::ErrorCode;
using base::Fail;

constexpr size_t kFanIn = 4;
// Bounds the files and buffers of one merge, where merging could not keep up: 16 × 64 KiB.
constexpr size_t kMergeRunsMax = 16;
constexpr std::string_view kUnfinished = ".run.new";

struct Candidate {
  std::string name;
  RunRange range;
};

// Of the runs that begin at `begin`, the one that reaches furthest: a merged run before its inputs,
// which a crash may have left beside it.
std::vector<Candidate>::iterator Furthest(std::vector<Candidate>& candidates, Offset begin) {
  auto best = candidates.end();
  for (auto it = candidates.begin(); it != candidates.end(); ++it) {
    if (it->range.begin != begin) continue;
    if (best == candidates.end() || best->range.end < it->range.end) best = it;
  }
  return best;
}

}  // namespace

base::Result<std::unique_ptr<RunStore>> RunStore::Open(io::FileSystem& files,
                                                       RunStoreOptions options) {
  WEIR_RETURN_IF_ERROR(files.MakeDirectories(options.directory));
  std::unique_ptr<RunStore> store(new RunStore(files, std::move(options)));
  WEIR_RETURN_IF_ERROR(store->OpenRuns());
  return store;
}

RunStore::RunStore(io::FileSystem& files, RunStoreOptions options)
    : files_(files),
      options_(std::move(options)),
      seed_(options_.seed),
      builder_(options_.slice_entries_max),
      flush_memory_(builder_, options_.slice_entries_max),
      merge_memory_(builder_, options_.slice_entries_max),
      order_(options_.table_entries_max) {}

base::Status RunStore::OpenRuns() {
  WEIR_ASSIGN_OR_RETURN(const auto names, files_.List(options_.directory));
  std::vector<Candidate> candidates;
  for (const std::string& name : names) {
    if (name.ends_with(kUnfinished)) {
      WEIR_RETURN_IF_ERROR(files_.Remove(io::JoinPath(options_.directory, name)));
    } else if (const auto range = ParseRunName(name)) {
      candidates.push_back({name, *range});
    }
  }
  for (;;) {
    const auto best = Furthest(candidates, covered_.end);
    if (best == candidates.end()) break;
    auto run = OpenRun(files_, options_.directory, best->name);
    if (run) {
      covered_.end = run->file->range().end;
      covered_.chain = run->file->range().chain;
      runs_.push_back(std::move(*run));
    } else if (run.error().code == ErrorCode::kCorruption) {
      WEIR_RETURN_IF_ERROR(MoveAside(io::JoinPath(options_.directory, best->name)));
    } else {
      return Fail(run.error());
    }
    candidates.erase(best);
  }
  for (const Candidate& covered : candidates) {
    if (covered.range.end > covered_.end) continue;
    WEIR_RETURN_IF_ERROR(files_.Remove(io::JoinPath(options_.directory, covered.name)));
  }
  Publish();
  return {};
}

base::Status RunStore::MoveAside(const std::string& path) {
  WEIR_RETURN_IF_ERROR(files_.Rename(path, path + ".damaged"));
  ++moved_aside_;
  return files_.SyncDirectory(options_.directory);
}

void RunStore::TryMoveDamagedAside() {
  const auto set = holder_.Get();
  const std::lock_guard lock(aside_mutex_);
  for (const Run& run : set->runs()) {
    if (!run.file->damaged() || !aside_.insert(run.file->path()).second) continue;
    static_cast<void>(MoveAside(run.file->path()));
  }
}

void RunStore::Publish() {
  std::vector<Run> view(runs_.begin(), runs_.end());
  if (merge_) {
    const std::vector<Run> merging = merge_->View();
    view.insert(view.begin() + static_cast<ptrdiff_t>(merge_at_), merging.begin(), merging.end());
  }
  holder_.Set(std::make_shared<RunSet>(covered_, std::move(view)));
}

base::Status RunStore::Flush(std::span<const KeyEntry> entries, const RunRange& range,
                             const std::function<base::Status()>& before_name) {
  WEIR_CHECK(range.begin == covered_.end);
  WEIR_CHECK(entries.size() <= order_.size());
  for (uint32_t i = 0; i < entries.size(); ++i) order_[i] = {KeyPrefix(entries[i].key), i};
  const auto end = order_.begin() + static_cast<ptrdiff_t>(entries.size());
  std::sort(order_.begin(), end, [&](const Sorted& a, const Sorted& b) {
    return a.prefix != b.prefix ? a.prefix < b.prefix : entries[a.entry] < entries[b.entry];
  });
  WEIR_ASSIGN_OR_RETURN(
      auto writer, RunWriter::Create(files_, options_.directory, range, flush_memory_, seed_++));
  for (auto it = order_.begin(); it != end; ++it) {
    WEIR_RETURN_IF_ERROR(writer->Add(entries[it->entry]));
  }
  WEIR_ASSIGN_OR_RETURN(Run run, writer->Finish(before_name));
  bytes_written_ += writer->bytes_written();
  ++flushes_;
  runs_.push_back(std::move(run));
  covered_.end = range.end;
  covered_.chain = range.chain;
  Publish();
  return {};
}

int RunStore::LevelOf(const Run& run) const {
  int level = 0;
  for (uint64_t tables = run.entries / std::max<size_t>(options_.table_entries, 1);
       tables >= kFanIn; tables /= kFanIn) {
    ++level;
  }
  return level;
}

std::pair<size_t, size_t> RunStore::PickMerge() const {
  int level_max = 0;
  for (const Run& run : runs_) level_max = std::max(level_max, LevelOf(run));
  for (int level = 0; level <= level_max; ++level) {
    size_t begin = runs_.size();
    size_t peers = 0;
    while (begin > 0 && LevelOf(runs_[begin - 1]) <= level && !runs_[begin - 1].file->damaged()) {
      --begin;
      if (LevelOf(runs_[begin]) == level) ++peers;
    }
    if (peers >= kFanIn) return {begin, std::min(runs_.size(), begin + kMergeRunsMax)};
  }
  return {0, 0};
}

base::Result<bool> RunStore::BeginMerge() {
  const auto [begin, end] = PickMerge();
  if (begin == end) return false;
  uint64_t bytes = 0;
  for (size_t i = begin; i < end; ++i) bytes += runs_[i].disk_bytes();
  // The output stands beside its inputs for a while, and must not take the journal's last space.
  WEIR_ASSIGN_OR_RETURN(const uint64_t free, files_.FreeBytes(options_.directory));
  if (free < 2 * bytes) return false;
  const auto first = runs_.begin() + static_cast<ptrdiff_t>(begin);
  const auto last = runs_.begin() + static_cast<ptrdiff_t>(end);
  WEIR_ASSIGN_OR_RETURN(merge_,
                        RunMerge::Begin(files_, options_.directory, std::vector<Run>(first, last),
                                        merge_memory_, seed_++));
  runs_.erase(first, last);
  merge_at_ = begin;
  return true;
}

base::Result<uint64_t> RunStore::MergeStep(size_t entries_max) {
  if (merge_failed_) WEIR_RETURN_IF_ERROR(UndoMerge());
  if (!merge_) {
    WEIR_ASSIGN_OR_RETURN(const bool begun, BeginMerge());
    if (!begun) return 0;
  }
  auto progress = merge_->Step(entries_max);
  base::Status status;
  if (!progress) {
    status = Fail(progress.error());
  } else if (progress->done) {
    status = FinishMerge();
  } else if (progress->view_changed) {
    Publish();
  }
  if (!status) {
    merge_failed_ = true;
    // If this fails too, the view that the merge has reached stays, which is complete.
    static_cast<void>(UndoMerge());
    return Fail(status.error());
  }
  return std::max<uint64_t>(progress->bytes, 1);
}

base::Status RunStore::FinishMerge() {
  WEIR_ASSIGN_OR_RETURN(Run run, merge_->Finish());
  bytes_written_ += run.disk_bytes();
  ++merges_;
  const auto inputs = merge_->Inputs();
  merge_.reset();
  runs_.insert(runs_.begin() + static_cast<ptrdiff_t>(merge_at_), std::move(run));
  Publish();
  // Ones that stay are removed when the index is opened next.
  for (const auto& input : inputs) static_cast<void>(files_.Remove(input->path()));
  return {};
}

// Puts the inputs back as they were, from their files.
base::Status RunStore::UndoMerge() {
  std::vector<Run> inputs;
  for (const auto& file : merge_->Inputs()) {
    WEIR_ASSIGN_OR_RETURN(Run run, LoadRun(file));
    inputs.push_back(std::move(run));
  }
  runs_.insert(runs_.begin() + static_cast<ptrdiff_t>(merge_at_), inputs.begin(), inputs.end());
  merge_.reset();
  merge_failed_ = false;
  Publish();
  return {};
}

base::Status RunStore::Discard() {
  WEIR_ASSIGN_OR_RETURN(const auto names, files_.List(options_.directory));
  for (const std::string& name : names) {
    if (!ParseRunName(name)) continue;
    WEIR_RETURN_IF_ERROR(files_.Remove(io::JoinPath(options_.directory, name)));
  }
  WEIR_RETURN_IF_ERROR(files_.SyncDirectory(options_.directory));
  runs_.clear();
  covered_ = {};
  Publish();
  return {};
}

RunStore::Stats RunStore::stats() const {
  return {flushes_.load(), merges_.load(), bytes_written_.load(), moved_aside_.load()};
}

}  // namespace weir::journal

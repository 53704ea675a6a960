// The runs of one directory: opened, looked up, added to and merged.
//
// Merging keeps the number of runs logarithmic: a run's level is the logarithm, to the base of 4,
// of its size in flushed tables; four runs of one level are merged into one of the next, with the
// smaller ones that follow them. At most three of each level then remain: 16 runs for 130 million
// keys.
//
// Threads: With, Get, TryMoveDamagedAside and stats from any; everything else from one at a time.
// Errors: Flush and MergeStep leave the set as it was, complete, and may be called again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "journal/run_merge.h"
#include "journal/run_set.h"

namespace weir::journal {

struct RunStoreOptions {
  std::string directory;
  size_t table_entries = 0;      // that a flush usually has; levels are reckoned in it
  size_t table_entries_max = 0;  // that a flush has at most
  size_t slice_entries_max = 0;
  uint64_t seed = 0;  // of the filters
};

class RunStore {
 public:
  // Removes what an interrupted flush or merge left, and moves damaged runs aside (".damaged"). The
  // set then holds the longest sequence of sound runs from offset 0 on. Sound runs beyond a missing
  // one stay on the disk, unused, until the set covers them or reaches their beginning.
  static base::Result<std::unique_ptr<RunStore>> Open(io::FileSystem& files,
                                                      RunStoreOptions options);

  template <class Use>
  auto With(Use use) const {
    return holder_.With(use);
  }
  std::shared_ptr<const RunSet> Get() const { return holder_.Get(); }

  // Adds a run of these entries, which are those of `range`; it begins where the set ends.
  // `before_name` runs when the run is durable and has no name yet.
  base::Status Flush(std::span<const KeyEntry> entries, const RunRange& range,
                     const std::function<base::Status()>& before_name);

  // Advances a merge, or begins one where there is one to do. The bytes moved; 0: nothing to do, or
  // too little space on the disk to do it.
  base::Result<uint64_t> MergeStep(size_t entries_max);

  // Removes every run.
  base::Status Discard();

  // Renames the files of runs that were found damaged. Errors are ignored: damage is found again.
  void TryMoveDamagedAside();

  struct Stats {
    uint64_t flushes = 0;
    uint64_t merges = 0;
    uint64_t bytes_written = 0;
    uint64_t moved_aside = 0;
  };
  Stats stats() const;

 private:
  RunStore(io::FileSystem& files, RunStoreOptions options);
  base::Status OpenRuns();
  base::Status MoveAside(const std::string& path);
  void Publish();
  int LevelOf(const Run& run) const;
  // The runs to merge next, as a range of runs_; empty: none.
  std::pair<size_t, size_t> PickMerge() const;
  base::Result<bool> BeginMerge();
  base::Status FinishMerge();
  base::Status UndoMerge();

  io::FileSystem& files_;
  const RunStoreOptions options_;
  uint64_t seed_;  // of the next run's filters
  FilterBuilder builder_;
  RunWriterMemory flush_memory_;
  RunWriterMemory merge_memory_;
  struct Sorted {
    uint64_t prefix;
    uint32_t entry;
  };
  std::vector<Sorted> order_;  // of a table being flushed

  std::vector<Run> runs_;  // oldest first, without those being merged
  RunRange covered_;
  std::unique_ptr<RunMerge> merge_;
  size_t merge_at_ = 0;        // where its runs stand between those of runs_
  bool merge_failed_ = false;  // merge_ cannot go on, and could not be undone so far

  RunSetHolder holder_;
  std::mutex aside_mutex_;
  std::set<std::string> aside_;  // paths

  std::atomic<uint64_t> flushes_{0};
  std::atomic<uint64_t> merges_{0};
  std::atomic<uint64_t> bytes_written_{0};
  std::atomic<uint64_t> moved_aside_{0};
};

}  // namespace weir::journal

// Writes a run (run_file.h), from entries in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "journal/filter.h"
#include "journal/run_file.h"

namespace weir::journal {

// What writing a run needs of memory, held from the start so that the process does not grow while
// it writes. One writer at a time; the builder may be shared by all writers of one thread.
struct RunWriterMemory {
  // Slices have at most slice_entries entries, and what conflicts the last key has on top.
  RunWriterMemory(FilterBuilder& shared_builder, size_t slice_entries);
  FilterBuilder& builder;
  const size_t slice_entries_max;
  std::vector<Key> keys;        // of the slice being filled, each once
  std::vector<KeyEntry> block;  // being filled
  std::string blocks;           // sealed and not written
};

// Writes a run under a name ending in ".new" and gives it its own when it is complete and durable.
// After an error only the destructor may be called. One thread; what so_far() names may be read by
// any.
class RunWriter {
 public:
  static base::Result<std::unique_ptr<RunWriter>> Create(io::FileSystem& files,
                                                         const std::string& directory,
                                                         const RunRange& range,
                                                         RunWriterMemory& memory, uint64_t seed);
  // Removes the file unless Finish() succeeded.
  ~RunWriter();

  // In order; an entry of another key than the last one's may complete a slice.
  base::Status Add(const KeyEntry& entry);
  // The part that is complete so far; it can be read, but is not durable.
  const Run& so_far() const { return run_; }
  // Completes the last slice, syncs, runs `before_name` if there is one, renames, syncs the
  // directory.
  base::Result<Run> Finish(const std::function<base::Status()>& before_name);
  uint64_t bytes_written() const { return written_; }

 private:
  RunWriter(io::FileSystem& files, std::string directory, std::shared_ptr<RunFile> file,
            RunWriterMemory& memory, uint64_t seed);
  void SealBlock();
  base::Status SealSlice();
  base::Status Write(std::string_view bytes);
  base::Status WriteSections();

  io::FileSystem& files_;
  const std::string directory_;
  const std::shared_ptr<RunFile> file_;
  RunWriterMemory& memory_;
  const uint64_t seed_;
  Run run_;
  std::shared_ptr<Slice> slice_;  // being filled
  uint64_t written_ = 0;
  uint64_t synced_ = 0;
  bool named_ = false;
};

}  // namespace weir::journal

// A run: the entries of all keyed records in a range of offsets, sorted by key, immutable. Format:
// docs/formats/index.md.
//
// A run is cut into slices, between keys. Each has a filter and fences of its own, so that a merge
// can hand its output over slice by slice and let go of its input as it advances.
//
// Errors: kCorruption names the file; it is remembered in RunFile::damaged(). kIo and kNoSpace come
// from the file system.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "journal/run_format.h"

namespace weir::journal {

struct Run;

// The file behind a run. Any thread.
class RunFile {
 public:
  RunFile(std::unique_ptr<io::File> file, std::string path, RunRange range)
      : file_(std::move(file)), path_(std::move(path)), range_(range) {}

  const std::string& path() const { return path_; }
  const RunRange& range() const { return range_; }
  bool damaged() const { return damaged_.load(std::memory_order_acquire); }

  // Appends the bodies under `key` that the slice holds.
  base::Status FindIn(const Slice& slice, const Key& key, std::vector<KnownBody>* bodies) const;
  // Blocks [block, block + to.size() / kRunBlockBytes), checked.
  base::Status ReadBlocks(uint32_t block, std::span<char> to) const;
  // Fails with kCorruption and remembers it.
  tl::unexpected<base::Error> Damaged(const std::string& what) const;

 private:
  friend class RunWriter;
  friend base::Result<Run> LoadRun(std::shared_ptr<const RunFile> file);
  std::unique_ptr<io::File> file_;
  std::string path_;
  RunRange range_;
  mutable std::atomic<bool> damaged_{false};
};

// A run, or what is left of one while it is merged. The file is shared by every version of the run
// set that names it, and by look-ups on their way.
struct Run {
  std::shared_ptr<const RunFile> file;
  std::vector<std::shared_ptr<const Slice>> slices;
  uint64_t entries = 0;
  uint32_t blocks = 0;

  uint64_t disk_bytes() const { return uint64_t{blocks} * kRunBlockBytes; }
};

// Checks the footer and every slice's filter and fences; blocks are checked when they are read.
base::Result<Run> OpenRun(io::FileSystem& files, const std::string& directory,
                          const std::string& name);
// The same of a file that is open already.
base::Result<Run> LoadRun(std::shared_ptr<const RunFile> file);
// Reads all blocks as well, and checks their order, the fences and the filters against them.
base::Status VerifyRun(const Run& run);

}  // namespace weir::journal

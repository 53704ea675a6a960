// Merges runs that follow one another in the journal into one, in steps.
//
// At each instant View() holds every entry of the inputs: slices of the output that are complete,
// and those of the inputs that are not wholly below them. What the output has taken over is let go,
// so that memory holds at most one slice of each input twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "journal/run_writer.h"

namespace weir::journal {

class RunMerge {
 public:
  static base::Result<std::unique_ptr<RunMerge>> Begin(io::FileSystem& files,
                                                       const std::string& directory,
                                                       std::vector<Run> inputs,
                                                       RunWriterMemory& memory, uint64_t seed);

  struct Progress {
    bool done = false;  // every entry is written: call Finish()
    bool view_changed = false;
    uint64_t bytes = 0;  // read and written
  };
  // At most `entries_max` entries. After an error only View() and Inputs() may be called.
  base::Result<Progress> Step(size_t entries_max);
  base::Result<Run> Finish();

  // Oldest first.
  std::vector<Run> View() const;
  std::vector<std::shared_ptr<const RunFile>> Inputs() const;

 private:
  // Reads one input from its beginning to its end.
  struct Cursor {
    std::shared_ptr<const RunFile> file;
    uint32_t blocks = 0;
    uint32_t next_block = 0;
    std::vector<char> buffer;
    size_t buffered = 0;  // blocks in the buffer
    size_t block = 0;     // of them, the one that `entries` is the rest of
    std::span<const KeyEntry> entries;

    // Makes `entries` hold something, unless the input has ended. The bytes read.
    base::Result<uint64_t> Fill();
  };
  RunMerge(std::vector<Run> inputs, std::unique_ptr<RunWriter> writer);
  void LetGo();

  std::vector<Run> inputs_;
  std::vector<Cursor> cursors_;
  std::unique_ptr<RunWriter> writer_;
  size_t slices_seen_ = 0;
};

}  // namespace weir::journal

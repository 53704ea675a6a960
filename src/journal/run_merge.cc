#include "journal/run_merge.h"

#include <algorithm>

#include "base/check.h"

namespace weir::journal {
namespace {

constexpr size_t kReadBlocks = 8;

}  // namespace

base::Result<std::unique_ptr<RunMerge>> RunMerge::Begin(io::FileSystem& files,
                                                        const std::string& directory,
                                                        std::vector<Run> inputs,
                                                        RunWriterMemory& memory, uint64_t seed) {
  WEIR_CHECK(inputs.size() > 1);
  for (size_t i = 1; i < inputs.size(); ++i) {
    WEIR_CHECK(inputs[i - 1].file->range().end == inputs[i].file->range().begin);
  }
  const RunRange& last = inputs.back().file->range();
  const RunRange range{inputs.front().file->range().begin, last.end, last.chain};
  WEIR_ASSIGN_OR_RETURN(auto writer, RunWriter::Create(files, directory, range, memory, seed));
  return std::unique_ptr<RunMerge>(new RunMerge(std::move(inputs), std::move(writer)));
}

RunMerge::RunMerge(std::vector<Run> inputs, std::unique_ptr<RunWriter> writer)
    : inputs_(std::move(inputs)), writer_(std::move(writer)) {
  for (const Run& run : inputs_) {
    Cursor cursor;
    cursor.file = run.file;
    cursor.blocks = run.blocks;
    cursor.buffer.resize(kReadBlocks * kRunBlockBytes);
    cursors_.push_back(std::move(cursor));
  }
}

base::Result<uint64_t> RunMerge::Cursor::Fill() {
  uint64_t bytes = 0;
  while (entries.empty()) {
    if (block + 1 < buffered) {
      ++block;
    } else if (next_block < blocks) {
      buffered = std::min<size_t>(kReadBlocks, blocks - next_block);
      block = 0;
      const std::span<char> to(buffer.data(), buffered * kRunBlockBytes);
      WEIR_RETURN_IF_ERROR(file->ReadBlocks(next_block, to));
      next_block += static_cast<uint32_t>(buffered);
      bytes += to.size();
    } else {
      break;
    }
    entries = BlockEntries(buffer.data() + block * kRunBlockBytes);
  }
  return bytes;
}

base::Result<RunMerge::Progress> RunMerge::Step(size_t entries_max) {
  Progress progress;
  const uint64_t written_before = writer_->bytes_written();
  for (size_t i = 0; i < entries_max && !progress.done; ++i) {
    Cursor* lowest = nullptr;
    for (Cursor& cursor : cursors_) {
      WEIR_ASSIGN_OR_RETURN(const uint64_t bytes, cursor.Fill());
      progress.bytes += bytes;
      if (cursor.entries.empty()) continue;
      if (!lowest || cursor.entries.front() < lowest->entries.front()) lowest = &cursor;
    }
    if (!lowest) {
      progress.done = true;
      break;
    }
    WEIR_RETURN_IF_ERROR(writer_->Add(lowest->entries.front()));
    lowest->entries = lowest->entries.subspan(1);
  }
  progress.bytes += writer_->bytes_written() - written_before;
  if (writer_->so_far().slices.size() != slices_seen_) {
    LetGo();
    progress.view_changed = true;
  }
  return progress;
}

void RunMerge::LetGo() {
  slices_seen_ = writer_->so_far().slices.size();
  const Key& taken_over = writer_->so_far().slices.back()->last;
  for (Run& run : inputs_) {
    auto& slices = run.slices;
    const auto keep = std::find_if(slices.begin(), slices.end(),
                                   [&](const auto& slice) { return slice->last > taken_over; });
    slices.erase(slices.begin(), keep);
  }
}

base::Result<Run> RunMerge::Finish() {
  // A block that could not be read back would be passed on for good.
  if (writer_->so_far().file->damaged()) {
    return base::Fail(base::ErrorCode::kCorruption,
                      writer_->so_far().file->path() + " was damaged while it was written");
  }
  return writer_->Finish({});
}

std::vector<Run> RunMerge::View() const {
  std::vector<Run> view = inputs_;
  view.push_back(writer_->so_far());
  return view;
}

std::vector<std::shared_ptr<const RunFile>> RunMerge::Inputs() const {
  std::vector<std::shared_ptr<const RunFile>> files;
  for (const Run& run : inputs_) files.push_back(run.file);
  return files;
}

}  // namespace weir::journal

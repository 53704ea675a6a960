#include "journal/run_writer.h"

#include "base/check.h"
#include "base/crc32c.h"

namespace weir::journal {
namespace {

constexpr size_t kWriteBytes = 32 * kRunBlockBytes;
// A run of gigabytes synced at once would hold up the journal's own syncs for as long.
constexpr uint64_t kSyncBytes = 2u << 20;

std::string UnfinishedPath(const RunFile& file) { return file.path() + ".new"; }

}  // namespace

RunWriterMemory::RunWriterMemory(FilterBuilder& shared_builder, size_t slice_entries)
    : builder(shared_builder),
      slice_entries_max(slice_entries),
      keys(slice_entries),
      block(kRunBlockEntriesMax) {
  blocks.resize(kWriteBytes + kRunBlockBytes);
}

base::Result<std::unique_ptr<RunWriter>> RunWriter::Create(io::FileSystem& files,
                                                           const std::string& directory,
                                                           const RunRange& range,
                                                           RunWriterMemory& memory, uint64_t seed) {
  const std::string path = io::JoinPath(directory, RunName(range));
  WEIR_ASSIGN_OR_RETURN(auto file, files.Open(path + ".new", io::OpenMode::kCreate));
  WEIR_RETURN_IF_ERROR(file->Truncate(0));
  auto run_file = std::make_shared<RunFile>(std::move(file), path, range);
  return std::unique_ptr<RunWriter>(
      new RunWriter(files, directory, std::move(run_file), memory, seed));
}

RunWriter::RunWriter(io::FileSystem& files, std::string directory, std::shared_ptr<RunFile> file,
                     RunWriterMemory& memory, uint64_t seed)
    : files_(files),
      directory_(std::move(directory)),
      file_(std::move(file)),
      memory_(memory),
      seed_(seed) {
  run_.file = file_;
  memory_.keys.clear();
  memory_.block.clear();
  memory_.blocks.clear();
}

RunWriter::~RunWriter() {
  // What cannot be removed now is removed when the index is opened next.
  if (!named_) static_cast<void>(files_.Remove(UnfinishedPath(*file_)));
}

base::Status RunWriter::Add(const KeyEntry& entry) {
  const bool new_key = !slice_ || slice_->last != entry.key;
  if (slice_ && new_key && slice_->entries >= memory_.slice_entries_max) {
    WEIR_RETURN_IF_ERROR(SealSlice());
  }
  if (memory_.block.size() == kRunBlockEntriesMax) SealBlock();
  if (memory_.blocks.size() >= kWriteBytes) {
    WEIR_RETURN_IF_ERROR(Write(memory_.blocks));
    memory_.blocks.clear();
  }
  if (!slice_) {
    slice_ = std::make_shared<Slice>();
    slice_->first = entry.key;
    slice_->block_begin = run_.blocks;
  }
  if (new_key) memory_.keys.push_back(entry.key);
  slice_->last = entry.key;
  ++slice_->entries;
  memory_.block.push_back(entry);
  return {};
}

void RunWriter::SealBlock() {
  slice_->fences.push_back(Fence(memory_.block.front().key));
  AppendBlock(memory_.blocks, run_.blocks, memory_.block);
  ++run_.blocks;
  memory_.block.clear();
}

base::Status RunWriter::SealSlice() {
  SealBlock();
  WEIR_RETURN_IF_ERROR(Write(memory_.blocks));
  memory_.blocks.clear();
  slice_->filter = memory_.builder.Build(memory_.keys, seed_ + run_.slices.size());
  slice_->fences.shrink_to_fit();
  memory_.keys.clear();
  run_.entries += slice_->entries;
  run_.slices.push_back(std::move(slice_));
  slice_.reset();
  return {};
}

base::Status RunWriter::Write(std::string_view bytes) {
  WEIR_RETURN_IF_ERROR(file_->file_->WriteAt(written_, bytes));
  written_ += bytes.size();
  if (written_ - synced_ < kSyncBytes) return {};
  WEIR_RETURN_IF_ERROR(file_->file_->SyncData());
  synced_ = written_;
  return {};
}

base::Status RunWriter::WriteSections() {
  RunFooter footer{
      file_->range(), run_.entries, 0, run_.blocks, static_cast<uint32_t>(run_.slices.size()), 0};
  for (const auto& slice : run_.slices) {
    const std::string section = SectionBytes(*slice);
    WEIR_RETURN_IF_ERROR(Write(section));
    footer.sections_bytes += section.size();
    footer.sections_crc = base::ExtendCrc32c(
        footer.sections_crc, std::string_view(section).substr(0, kRunSectionHeaderBytes));
  }
  return Write(FooterBytes(footer));
}

base::Result<Run> RunWriter::Finish(const std::function<base::Status()>& before_name) {
  WEIR_CHECK(!named_);
  if (slice_) WEIR_RETURN_IF_ERROR(SealSlice());
  WEIR_RETURN_IF_ERROR(WriteSections());
  WEIR_RETURN_IF_ERROR(file_->file_->SyncData());
  if (before_name) WEIR_RETURN_IF_ERROR(before_name());
  WEIR_RETURN_IF_ERROR(files_.Rename(UnfinishedPath(*file_), file_->path()));
  named_ = true;
  WEIR_RETURN_IF_ERROR(files_.SyncDirectory(directory_));
  return run_;
}

}  // namespace weir::journal

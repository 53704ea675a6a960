#include "journal/run_file.h"

#include <algorithm>

#include "base/crc32c.h"

namespace weir::journal {
namespace {

using base::ErrorCode;
using base::Fail;

base::Status ReadExactly(const io::File& file, uint64_t at, std::span<char> to) {
  WEIR_ASSIGN_OR_RETURN(const size_t size, file.ReadAt(at, to));
  if (size != to.size()) return Fail(ErrorCode::kCorruption, "the file ends too early");
  return {};
}

// Reads the sections of all slices, which end where the footer begins.
base::Status ReadSections(const io::File& file, const RunFooter& footer, Run* run) {
  uint64_t at = run->disk_bytes();
  const uint64_t end = at + footer.sections_bytes;
  uint32_t crc = 0;
  std::string body;
  for (uint32_t i = 0; i < footer.slices; ++i) {
    char bytes[kRunSectionHeaderBytes];
    const std::string_view header(bytes, sizeof bytes);
    WEIR_RETURN_IF_ERROR(ReadExactly(file, at, bytes));
    at += header.size();
    const uint32_t size = SectionBodySize(header);
    if (at > end || size > end - at) return Fail(ErrorCode::kCorruption, "a slice has no end");
    body.resize(size);
    WEIR_RETURN_IF_ERROR(ReadExactly(file, at, body));
    at += size;
    crc = base::ExtendCrc32c(crc, header);
    WEIR_ASSIGN_OR_RETURN(auto slice, ParseSection(header, body));
    run->slices.push_back(std::move(slice));
  }
  if (at != end || crc != footer.sections_crc) {
    return Fail(ErrorCode::kCorruption, "the slices are not those that were written");
  }
  return {};
}

base::Result<RunFooter> ReadFooter(const io::File& file, const RunRange& named) {
  WEIR_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  if (size < kRunFooterBytes) return Fail(ErrorCode::kCorruption, "the file is too short");
  char bytes[kRunFooterBytes];
  WEIR_RETURN_IF_ERROR(ReadExactly(file, size - kRunFooterBytes, bytes));
  const std::optional<RunFooter> footer = ParseFooter({bytes, sizeof bytes});
  if (!footer) return Fail(ErrorCode::kCorruption, "the footer fails its checksum");
  if (footer->range.begin != named.begin || footer->range.end != named.end) {
    return Fail(ErrorCode::kCorruption, "the footer names other offsets than the file");
  }
  const uint64_t room = size - kRunFooterBytes;
  const uint64_t blocks_bytes = uint64_t{footer->blocks} * kRunBlockBytes;
  if (blocks_bytes > room || room - blocks_bytes != footer->sections_bytes) {
    return Fail(ErrorCode::kCorruption, "the file has another length than was written");
  }
  return *footer;
}

base::Error WithPath(const std::string& path, base::Error error) {
  if (error.code == ErrorCode::kCorruption) error.message = path + ": " + error.message;
  return error;
}

// One slice of VerifyRun(): `previous` is the entry before it, in this slice or an earlier one.
base::Status VerifySlice(const RunFile& file, const Slice& slice, KeyEntry* previous, bool* any) {
  std::string block(kRunBlockBytes, '\0');
  uint64_t entries = 0;
  for (size_t i = 0; i < slice.fences.size(); ++i) {
    WEIR_RETURN_IF_ERROR(file.ReadBlocks(slice.block_begin + static_cast<uint32_t>(i), block));
    const auto in_block = BlockEntries(block.data());
    if (in_block.empty() || Fence(in_block.front().key) != slice.fences[i]) {
      return file.Damaged("a block does not begin where its fence says");
    }
    for (const KeyEntry& entry : in_block) {
      if (*any && !(*previous < entry)) return file.Damaged("entries are out of order");
      if (!slice.filter.MayContain(entry.key)) return file.Damaged("a filter lacks a key");
      const Offset offset = entry.offset();
      if (offset < file.range().begin || offset >= file.range().end) {
        return file.Damaged("an entry lies outside the run's offsets");
      }
      *previous = entry;
      *any = true;
      ++entries;
    }
    if (i == 0 && in_block.front().key != slice.first) {
      return file.Damaged("a slice does not begin with its first key");
    }
  }
  if (entries != slice.entries || previous->key != slice.last) {
    return file.Damaged("a slice holds other entries than it says");
  }
  return {};
}

}  // namespace

tl::unexpected<base::Error> RunFile::Damaged(const std::string& what) const {
  damaged_.store(true, std::memory_order_release);
  return Fail(ErrorCode::kCorruption, path_ + ": " + what);
}

base::Status RunFile::ReadBlocks(uint32_t block, std::span<char> to) const {
  WEIR_ASSIGN_OR_RETURN(const size_t size, file_->ReadAt(uint64_t{block} * kRunBlockBytes, to));
  if (size != to.size()) return Damaged("the file ends inside a block");
  for (size_t at = 0; at < to.size(); at += kRunBlockBytes, ++block) {
    if (!BlockIsSound(to.data() + at, block)) {
      return Damaged("block " + std::to_string(block) + " fails its checksum");
    }
  }
  return {};
}

base::Status RunFile::FindIn(const Slice& slice, const Key& key,
                             std::vector<KnownBody>* bodies) const {
  // Entries of a key begin in the last block whose fence is below the key's, unless that block ends
  // before them, and go on through every block whose fence is the key's.
  const uint32_t fence = Fence(key);
  const auto below = std::lower_bound(slice.fences.begin(), slice.fences.end(), fence);
  const auto above = std::upper_bound(below, slice.fences.end(), fence);
  auto block = static_cast<uint32_t>(below - slice.fences.begin());
  if (block > 0) --block;
  const auto end = static_cast<uint32_t>(above - slice.fences.begin());
  alignas(16) char bytes[kRunBlockBytes];
  for (; block < end; ++block) {
    WEIR_RETURN_IF_ERROR(ReadBlocks(slice.block_begin + block, bytes));
    const auto entries = BlockEntries(bytes);
    const KeyEntry lowest{key, {}, 0};
    for (auto entry = std::lower_bound(entries.begin(), entries.end(), lowest);
         entry != entries.end() && entry->key == key; ++entry) {
      bodies->push_back(entry->body());
    }
  }
  return {};
}

base::Result<Run> OpenRun(io::FileSystem& files, const std::string& directory,
                          const std::string& name) {
  const std::string path = io::JoinPath(directory, name);
  const std::optional<RunRange> named = ParseRunName(name);
  if (!named) return Fail(ErrorCode::kInvalidArgument, path + " is not the name of a run");
  WEIR_ASSIGN_OR_RETURN(auto file, files.Open(path, io::OpenMode::kRead));
  const auto footer = ReadFooter(*file, *named);
  if (!footer) return Fail(WithPath(path, footer.error()));
  return LoadRun(std::make_shared<RunFile>(std::move(file), path, footer->range));
}

base::Result<Run> LoadRun(std::shared_ptr<const RunFile> file) {
  const auto footer = ReadFooter(*file->file_, file->range());
  if (!footer) return Fail(WithPath(file->path(), footer.error()));
  Run run;
  run.entries = footer->entries;
  run.blocks = footer->blocks;
  if (auto read = ReadSections(*file->file_, *footer, &run); !read) {
    return Fail(WithPath(file->path(), read.error()));
  }
  run.file = std::move(file);
  return run;
}

base::Status VerifyRun(const Run& run) {
  KeyEntry previous;
  bool any = false;
  uint64_t entries = 0;
  uint32_t block = 0;
  for (const auto& slice : run.slices) {
    if (slice->block_begin != block) return run.file->Damaged("slices do not follow one another");
    WEIR_RETURN_IF_ERROR(VerifySlice(*run.file, *slice, &previous, &any));
    entries += slice->entries;
    block += static_cast<uint32_t>(slice->fences.size());
  }
  if (entries != run.entries || block != run.blocks) {
    return run.file->Damaged("the slices do not add up to the run");
  }
  return {};
}

}  // namespace weir::journal

#include "journal/control_index.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "io/file_system.h"

namespace weir::journal {
namespace {

using base::ErrorCode;
using base::Fail;

constexpr std::string_view kEntriesName = "controls.index";
constexpr std::string_view kCheckpointName = "controls.checkpoint";
constexpr std::string_view kMagic = "WEIRCTL1";
constexpr size_t kEntryBytes = 16;
constexpr size_t kCheckpointBytes = 8 + 8 + 8 + 4;
constexpr size_t kReadEntries = 1024;
constexpr size_t kWriteEntries = 4096;

struct Checkpoint {
  uint64_t entries = 0;
  Offset covered;
};

// The checksum includes the entry's number, so that none stands for another.
uint32_t EntryCrc(std::string_view entry, uint64_t number) {
  char bytes[sizeof number];
  base::PutInt(bytes, number);
  return base::ExtendCrc32c(base::Crc32c(entry.substr(0, kEntryBytes - sizeof(uint32_t))),
                            {bytes, sizeof bytes});
}

void AppendEntry(std::string& out, const ControlEntry& entry, uint64_t number) {
  const size_t at = out.size();
  base::AppendInt(out, entry.offset.value());
  base::AppendInt(out, entry.kind);
  base::AppendInt(out, entry.flags);
  base::AppendInt(out, uint8_t{0});
  base::AppendInt(out, EntryCrc(std::string_view(out).substr(at), number));
}

std::optional<ControlEntry> ParseEntry(std::string_view bytes, uint64_t number) {
  if (EntryCrc(bytes, number) != base::GetInt<uint32_t>(bytes.data() + 12)) return std::nullopt;
  base::ByteReader reader(bytes);
  ControlEntry entry;
  entry.offset = Offset(reader.Int<uint64_t>());
  entry.kind = reader.Int<uint16_t>();
  entry.flags = reader.Int<uint8_t>();
  return entry;
}

std::string CheckpointBytes(const Checkpoint& checkpoint) {
  std::string out(kMagic);
  base::AppendInt(out, checkpoint.entries);
  base::AppendInt(out, checkpoint.covered.value());
  base::AppendInt(out, base::Crc32c(out));
  return out;
}

std::optional<Checkpoint> ParseCheckpoint(std::string_view bytes) {
  if (bytes.size() != kCheckpointBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  const std::string_view checked = bytes.substr(0, kCheckpointBytes - sizeof(uint32_t));
  if (base::Crc32c(checked) != base::GetInt<uint32_t>(bytes.data() + checked.size())) {
    return std::nullopt;
  }
  base::ByteReader reader(checked.substr(kMagic.size()));
  Checkpoint checkpoint;
  checkpoint.entries = reader.Int<uint64_t>();
  checkpoint.covered = Offset(reader.Int<uint64_t>());
  return checkpoint;
}

}  // namespace

// Entries are numbered from 0. The file holds [0, written_), the ring [ring_begin_, count_), and
// ring_begin_ <= written_ <= count_: no entry is in neither.
class ControlIndex::Impl {
 public:
  Impl(io::FileSystem& files, ControlIndexOptions options)
      : files_(files), options_(std::move(options)), ring_(options_.recent_max) {
    WEIR_CHECK(!ring_.empty());
  }

  base::Status Open();
  Offset covered() const;
  base::Status Discard();
  void Committed(std::span<const ControlEntry> entries, Offset end);
  size_t room();
  base::Result<std::vector<ControlEntry>> Controls(Offset from, size_t max) const;
  base::Status Sync();
  std::optional<base::Error> failing() const;

 private:
  base::Status CutTo(const Checkpoint& checkpoint);
  base::Result<bool> FileReaches(uint64_t entries) const;
  base::Status WriteOut();
  base::Status ReadEntries(uint64_t number, size_t count, std::vector<ControlEntry>* to) const;
  base::Result<uint64_t> LowerBoundInFile(Offset from, uint64_t end) const;
  tl::unexpected<base::Error> Damaged(uint64_t number) const;
  std::string Path(std::string_view name) const {
    return io::JoinPath(options_.directory, std::string(name));
  }
  const ControlEntry& InRing(uint64_t number) const { return ring_[number % ring_.size()]; }

  io::FileSystem& files_;
  const ControlIndexOptions options_;
  std::unique_ptr<io::File> file_;

  std::mutex sync_mutex_;   // one checkpoint at a time; taken before the others
  std::mutex write_mutex_;  // one write at a time; taken before mutex_
  mutable std::mutex mutex_;
  std::vector<ControlEntry> ring_;
  uint64_t ring_begin_ = 0;
  uint64_t written_ = 0;
  uint64_t count_ = 0;
  Offset end_;  // everything below was committed
  mutable Offset covered_;
  mutable std::optional<base::Error> failing_;
  // The file cannot be trusted to hold what was written: no checkpoint may cover it any more.
  mutable bool checkpoints_ended_ = false;
};

base::Status ControlIndex::Impl::Open() {
  WEIR_RETURN_IF_ERROR(files_.MakeDirectories(options_.directory));
  WEIR_ASSIGN_OR_RETURN(file_, files_.Open(Path(kEntriesName), io::OpenMode::kCreate));
  WEIR_RETURN_IF_ERROR(files_.SyncDirectory(options_.directory));
  Checkpoint checkpoint;
  const auto bytes = io::ReadWhole(files_, Path(kCheckpointName), kCheckpointBytes);
  if (bytes) {
    const auto parsed = ParseCheckpoint(*bytes);
    WEIR_ASSIGN_OR_RETURN(const bool reaches, FileReaches(parsed ? parsed->entries : 0));
    if (parsed && reaches) checkpoint = *parsed;
  } else if (bytes.error().code != ErrorCode::kNotFound &&
             bytes.error().code != ErrorCode::kTooLarge) {
    return Fail(bytes.error());
  }
  return CutTo(checkpoint);
}

base::Result<bool> ControlIndex::Impl::FileReaches(uint64_t entries) const {
  if (entries == 0) return true;
  char bytes[kEntryBytes];
  WEIR_ASSIGN_OR_RETURN(const size_t size, file_->ReadAt((entries - 1) * kEntryBytes, bytes));
  return size == kEntryBytes && ParseEntry({bytes, sizeof bytes}, entries - 1).has_value();
}

base::Status ControlIndex::Impl::CutTo(const Checkpoint& checkpoint) {
  WEIR_RETURN_IF_ERROR(file_->Truncate(checkpoint.entries * kEntryBytes));
  ring_begin_ = written_ = count_ = checkpoint.entries;
  end_ = covered_ = checkpoint.covered;
  return {};
}

Offset ControlIndex::Impl::covered() const {
  const std::lock_guard lock(mutex_);
  return covered_;
}

base::Status ControlIndex::Impl::Discard() {
  WEIR_RETURN_IF_ERROR(io::ReplaceWhole(files_, options_.directory, std::string(kCheckpointName),
                                        CheckpointBytes({})));
  return CutTo({});
}

void ControlIndex::Impl::Committed(std::span<const ControlEntry> entries, Offset end) {
  uint64_t unwritten = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const ControlEntry& entry : entries) {
      if (entry.offset < end_) continue;
      WEIR_CHECK(count_ - written_ < ring_.size());
      ring_[count_++ % ring_.size()] = entry;
    }
    end_ = std::max(end_, end);
    if (count_ - ring_begin_ > ring_.size()) ring_begin_ = count_ - ring_.size();
    unwritten = count_ - written_;
  }
  // Usually Sync() has written them long before. What fails here fails again there, and is told.
  if (unwritten > ring_.size() / 2) static_cast<void>(WriteOut());
}

size_t ControlIndex::Impl::room() {
  const auto free = [this] {
    const std::lock_guard lock(mutex_);
    return ring_.size() - (count_ - written_);
  };
  // Records are refused without room, and so no Committed() comes to try again.
  if (free() == 0) static_cast<void>(WriteOut());
  return free();
}

// Writes the entries committed before the call.
base::Status ControlIndex::Impl::WriteOut() {
  const std::lock_guard writing(write_mutex_);
  std::string bytes;
  std::unique_lock lock(mutex_);
  const uint64_t end = count_;
  while (written_ < end) {
    const uint64_t begin = written_;
    const uint64_t stop = std::min<uint64_t>(end, begin + kWriteEntries);
    bytes.clear();
    for (uint64_t i = begin; i < stop; ++i) AppendEntry(bytes, InRing(i), i);
    lock.unlock();
    base::Status written = file_->WriteAt(begin * kEntryBytes, bytes);
    lock.lock();
    if (!written) {
      failing_ = written.error();
      return written;
    }
    written_ = stop;
  }
  if (!checkpoints_ended_) failing_.reset();
  return {};
}

base::Status ControlIndex::Impl::Sync() {
  const std::lock_guard syncing(sync_mutex_);
  Checkpoint checkpoint;
  {
    const std::lock_guard lock(mutex_);
    if (checkpoints_ended_ || end_ == covered_) return {};
    checkpoint = {count_, end_};
  }
  WEIR_RETURN_IF_ERROR(WriteOut());
  if (auto synced = file_->SyncData(); !synced) {
    // A second sync could succeed without what the first one lost.
    const std::lock_guard lock(mutex_);
    checkpoints_ended_ = true;
    failing_ = synced.error();
    return {};
  }
  auto replaced = io::ReplaceWhole(files_, options_.directory, std::string(kCheckpointName),
                                   CheckpointBytes(checkpoint));
  const std::lock_guard lock(mutex_);
  if (!replaced) {
    failing_ = replaced.error();
  } else if (!checkpoints_ended_) {
    covered_ = checkpoint.covered;
  }
  return replaced;
}

std::optional<base::Error> ControlIndex::Impl::failing() const {
  const std::lock_guard lock(mutex_);
  return failing_;
}

tl::unexpected<base::Error> ControlIndex::Impl::Damaged(uint64_t number) const {
  const base::Error error{
      ErrorCode::kCorruption,
      Path(kEntriesName) + ": entry " + std::to_string(number) + " fails its checksum"};
  {
    const std::lock_guard lock(mutex_);
    checkpoints_ended_ = true;
    covered_ = Offset();
    failing_ = error;
  }
  // Without a checkpoint the next start rebuilds the file. If this fails, the entry is found again.
  static_cast<void>(files_.Remove(Path(kCheckpointName)));
  return Fail(error);
}

base::Status ControlIndex::Impl::ReadEntries(uint64_t number, size_t count,
                                             std::vector<ControlEntry>* to) const {
  char bytes[kReadEntries * kEntryBytes];
  while (count > 0) {
    const size_t now = std::min(count, kReadEntries);
    WEIR_ASSIGN_OR_RETURN(const size_t size,
                          file_->ReadAt(number * kEntryBytes, {bytes, now * kEntryBytes}));
    if (size != now * kEntryBytes) return Damaged(number + size / kEntryBytes);
    for (size_t i = 0; i < now; ++i, ++number) {
      const auto entry = ParseEntry({bytes + i * kEntryBytes, kEntryBytes}, number);
      if (!entry) return Damaged(number);
      to->push_back(*entry);
    }
    count -= now;
  }
  return {};
}

// The first entry below `end` at or after `from`, else `end`: a binary search of single entries.
base::Result<uint64_t> ControlIndex::Impl::LowerBoundInFile(Offset from, uint64_t end) const {
  uint64_t begin = 0;
  std::vector<ControlEntry> one;
  while (begin < end) {
    const uint64_t middle = begin + (end - begin) / 2;
    one.clear();
    WEIR_RETURN_IF_ERROR(ReadEntries(middle, 1, &one));
    if (one.front().offset < from) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin;
}

base::Result<std::vector<ControlEntry>> ControlIndex::Impl::Controls(Offset from,
                                                                     size_t max) const {
  std::vector<ControlEntry> found;
  std::unique_lock lock(mutex_);
  std::optional<uint64_t> next;  // the number of the entry to take next
  if (ring_begin_ < count_ && InRing(ring_begin_).offset <= from) {
    uint64_t begin = ring_begin_;
    for (uint64_t end = count_; begin < end;) {
      const uint64_t middle = begin + (end - begin) / 2;
      if (InRing(middle).offset < from) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    next = begin;
  }
  while (found.size() < max && !(next && *next >= count_)) {
    if (next && *next >= ring_begin_) {
      found.push_back(InRing((*next)++));
      continue;
    }
    // Below written_ nothing changes any more; the ring may move on meanwhile, and is asked again.
    const uint64_t written = written_;
    lock.unlock();
    if (!next) {
      WEIR_ASSIGN_OR_RETURN(next, LowerBoundInFile(from, written));
    }
    const auto count = std::min<uint64_t>(max - found.size(), written - *next);
    WEIR_RETURN_IF_ERROR(ReadEntries(*next, count, &found));
    *next += count;
    lock.lock();
  }
  return found;
}

base::Result<std::unique_ptr<ControlIndex>> ControlIndex::Open(io::FileSystem& files,
                                                               ControlIndexOptions options) {
  auto impl = std::make_unique<Impl>(files, std::move(options));
  WEIR_RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<ControlIndex>(new ControlIndex(std::move(impl)));
}

ControlIndex::ControlIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ControlIndex::~ControlIndex() = default;
Offset ControlIndex::covered() const { return impl_->covered(); }
base::Status ControlIndex::Discard() { return impl_->Discard(); }
void ControlIndex::Committed(std::span<const ControlEntry> entries, Offset end) {
  impl_->Committed(entries, end);
}
size_t ControlIndex::room() { return impl_->room(); }
base::Result<std::vector<ControlEntry>> ControlIndex::Controls(Offset from, size_t max) const {
  return impl_->Controls(from, max);
}
base::Status ControlIndex::Sync() { return impl_->Sync(); }
std::optional<base::Error> ControlIndex::failing() const { return impl_->failing(); }

Offset CheckpointedEnd(io::FileSystem& files, const std::string& directory) {
  const auto bytes =
      io::ReadWhole(files, io::JoinPath(directory, kCheckpointName), kCheckpointBytes);
  const auto checkpoint = bytes ? ParseCheckpoint(*bytes) : std::nullopt;
  return checkpoint ? checkpoint->covered : Offset();
}

}  // namespace weir::journal

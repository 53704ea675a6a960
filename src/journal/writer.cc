#include "journal/writer.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "journal/scan.h"

namespace weir::journal {
namespace {

using base::ErrorCode;

constexpr uint64_t kPageBytes = 4096;

void Count(std::atomic<uint64_t>& counter, uint64_t by) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace

uint64_t Writer::GroupBytesMax(const WriterOptions& options) {
  return std::max<uint64_t>(options.batch_bytes_max,
                            FrameBuilder::FrameBytesMax(1, kFramePayloadBytesMax)) +
         ClosingBytes(0);
}

uint64_t Writer::ClosingBytes(uint64_t segment_bytes) {
  const uint64_t entries =
      segment_bytes == 0 ? kIndexEntriesMax : segment_bytes / IndexStride(segment_bytes) + 2;
  return RoundUpToSector(kFrameHeaderBytes + entries * kIndexEntryBytes) + 2 * kSectorBytes;
}

Writer::Writer(io::FileSystem& files, const base::Clock& clock, std::string directory,
               SegmentSet& segments, Reserve& reserve, const WriterOptions& options,
               WriterStart start)
    : files_(files),
      clock_(clock),
      directory_(std::move(directory)),
      segments_(segments),
      reserve_(reserve),
      options_(options),
      builder_(clock, options.compress),
      window_(options.cached_bytes_max),
      file_(std::move(start.file)),
      segment_bytes_(start.segment_bytes),
      position_(start.position),
      next_(start.next),
      durable_(start.next),
      chain_(start.chain) {
  if (!file_) return;
  const std::vector<IndexEntry> index = segments_.NewestIndex();
  if (!index.empty()) last_indexed_ = uint64_t{index.back().sector} * kSectorBytes;
}

base::Result<Writer::Room> Writer::MakeRoom(size_t head_bytes, size_t body_bytes) {
  const bool same_frame = builder_.Takes(head_bytes, body_bytes);
  const uint64_t alone = FrameBuilder::FrameBytesMax(1, head_bytes + body_bytes);
  // Adding to a frame costs no more than its own sizes and a sector's rounding.
  const uint64_t bytes =
      group_.size() + (builder_.empty() ? 0 : builder_.frame_bytes_max()) +
      (same_frame && !builder_.empty() ? RoundUpToSector(kEntryBytes + head_bytes + body_bytes)
                                       : alone);
  if (pending() &&
      (group_records_ >= options_.batch_records_max || bytes > options_.batch_bytes_max)) {
    return Room::kGroupFull;
  }
  if (file_ && position_ + bytes + ClosingBytes(segment_bytes_) <= segment_bytes_) {
    return Room::kYes;
  }
  if (pending()) return Room::kGroupFull;
  const auto begun = Begin(alone);
  if (begun) return Room::kYes;
  if (begun.error().code == ErrorCode::kNoSpace) return Room::kNoSpace;
  return base::Fail(begun.error());
}

Offset Writer::Append(const RecordHeader& header, std::string_view head, std::string_view body) {
  if (!builder_.Takes(head.size(), body.size())) FinishFrame();
  builder_.Add(header, head, body);
  ++group_records_;
  const Offset offset = next_;
  ++next_;
  return offset;
}

FrameHeader Writer::At(FrameType type) const {
  FrameHeader at;
  at.type = type;
  at.first = next_;
  at.written_ms = clock_.WallMs();
  at.sector = static_cast<uint32_t>((position_ + group_.size()) / kSectorBytes);
  at.group_sector = static_cast<uint32_t>(position_ / kSectorBytes);
  at.chain = chain_;
  return at;
}

void Writer::FinishFrame() {
  FrameHeader at = At(FrameType::kBatch);
  at.first = Offset(next_.value() - builder_.count());
  const uint64_t position = position_ + group_.size();
  if (last_indexed_ == 0 || position - last_indexed_ >= IndexStride(segment_bytes_)) {
    group_index_.push_back({at.first, at.sector});
    last_indexed_ = position;
  }
  builder_.Finish(at, &chain_, group_);
}

// Zeros lie behind a group already. Written again to the end of its page they spare the system a
// look at the disk for what else is in a page that is not in memory. Not behind a segment's end,
// where nothing may lie.
std::string_view Writer::Padding() const {
  static constexpr char kZeros[kPageBytes] = {};
  const uint64_t end = position_ + group_.size();
  const uint64_t page_end = (end + kPageBytes - 1) / kPageBytes * kPageBytes;
  return {kZeros, static_cast<size_t>(std::min(page_end, segment_bytes_) - end)};
}

base::Status Writer::WriteGroup(std::string_view padding) {
  WEIR_RETURN_IF_ERROR(file_->WriteAt(position_, std::array{std::string_view(group_), padding}));
  const int64_t before_ns = clock_.SteadyNs();
  WEIR_RETURN_IF_ERROR(file_->SyncData());
  synced_ns_ = clock_.SteadyNs();
  sync_ns_ = synced_ns_ - before_ns;
  syncs_ns_ += sync_ns_;
  const auto sync_ns = static_cast<uint64_t>(sync_ns_);
  counters_.sync.Observe(sync_ns);
  Count(counters_.sync_ns_total, sync_ns);
  Count(counters_.syncs, 1);
  Count(counters_.bytes_written, group_.size());
  position_ += group_.size();
  window_.Written(file_, position_);
  group_.clear();
  if (group_.capacity() > 2 * options_.batch_bytes_max) std::string().swap(group_);
  return {};
}

base::Status Writer::Commit() {
  if (!pending()) return {};
  if (!builder_.empty()) FinishFrame();
  WEIR_RETURN_IF_ERROR(WriteGroup(Padding()));
  segments_.AddIndexEntries(group_index_);
  group_index_.clear();
  Count(counters_.records, group_records_);
  group_records_ = 0;
  durable_ = next_;
  return {};
}

base::Status Writer::Seal() {
  WEIR_CHECK(!pending());
  if (!file_) return {};  // the footer is a seal
  const uint64_t closing = ClosingBytes(segment_bytes_) - kSectorBytes;
  if (position_ + kSectorBytes + closing > segment_bytes_) return Close();
  AppendEmptyFrame(At(FrameType::kSeal), group_);
  return WriteGroup();
}

base::Status Writer::Close() {
  const uint64_t index_position = position_;
  AppendIndexFrame(At(FrameType::kIndex), segments_.NewestIndex(), group_);
  FrameHeader footer = At(FrameType::kFooter);
  footer.index_sector = static_cast<uint32_t>(index_position / kSectorBytes);
  AppendEmptyFrame(footer, group_);
  // The footer is durable before the zeros behind it go, and they are gone before a next segment
  // exists: so every segment but the newest ends with its footer, whenever the power fails.
  WEIR_RETURN_IF_ERROR(WriteGroup());
  WEIR_RETURN_IF_ERROR(file_->Truncate(position_));
  WEIR_RETURN_IF_ERROR(file_->SyncData());
  segments_.CloseNewest(next_, position_);
  file_.reset();
  segment_bytes_ = position_ = last_indexed_ = 0;
  return {};
}

base::Status Writer::Begin(uint64_t frame_bytes) {
  const uint64_t least = kSegmentHeaderBytes + frame_bytes;
  WEIR_ASSIGN_OR_RETURN(Reserve::Taken taken,
                        reserve_.Take(least + ClosingBytes(least + ClosingBytes(least))));
  if (segments_.DropNewestIfEmpty(next_)) {
    file_.reset();  // too small for this record; the new file takes its name
  } else if (file_) {
    if (const auto closed = Close(); !closed) {
      // Not for want of space: the segment kept room for its end.
      return base::Fail(ErrorCode::kIo, closed.error().message);
    }
  }
  const SegmentHeader header{taken.bytes, GroupBytesMax(options_), next_, clock_.WallMs(), chain_};
  if (auto named = Name(*taken.file, header); !named) {
    if (named.error().code != ErrorCode::kNoSpace) return named;
    taken.file.reset();
    WEIR_RETURN_IF_ERROR(reserve_.GiveBack());
    return named;
  }
  reserve_.Renamed();
  // Until the directory is synced the segment might vanish with all that is written to it.
  if (const auto synced = files_.SyncDirectory(directory_); !synced) {
    return base::Fail(ErrorCode::kIo, synced.error().message);
  }
  file_ = std::move(taken.file);
  segment_bytes_ = taken.bytes;
  position_ = kSegmentHeaderBytes;
  segments_.AddNewest({next_, next_, segment_bytes_, false}, file_, {});
  return {};
}

base::Status Writer::Name(io::File& file, const SegmentHeader& header) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  EncodeSegmentHeader(header, bytes.data());
  WEIR_RETURN_IF_ERROR(file.WriteAt(0, bytes));
  WEIR_RETURN_IF_ERROR(file.SyncData());
  return files_.Rename(io::JoinPath(directory_, Reserve::kName),
                       io::JoinPath(directory_, SegmentName(next_)));
}

}  // namespace weir::journal

#include "journal/segment_set.h"

#include <algorithm>

#include "base/check.h"
#include "journal/frame.h"

namespace weir::journal {

using base::ErrorCode;

base::Result<SegmentEnd> ReadSegmentEnd(const io::File& file) {
  WEIR_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  if (size < kSegmentHeaderBytes + kSectorBytes || size % kSectorBytes != 0) {
    return base::Fail(ErrorCode::kCorruption, "the segment does not end with a footer");
  }
  std::string sector(kSectorBytes, '\0');
  WEIR_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(size - kSectorBytes, sector));
  SegmentEnd end;
  WEIR_ASSIGN_OR_RETURN(end.footer, DecodeFrameHeader({sector.data(), got}, size - kSectorBytes));
  if (end.footer.type != FrameType::kFooter) {
    return base::Fail(ErrorCode::kCorruption, "the segment does not end with a footer");
  }
  const uint64_t at = uint64_t{end.footer.index_sector} * kSectorBytes;
  const uint64_t bytes_max =
      RoundUpToSector(kFrameHeaderBytes + kIndexEntriesMax * kIndexEntryBytes);
  if (at >= end.footer.position() || end.footer.position() - at > bytes_max) return end;
  std::string frame(end.footer.position() - at, '\0');
  WEIR_ASSIGN_OR_RETURN(const size_t read, file.ReadAt(at, frame));
  frame.resize(read);
  const auto header = DecodeFrameHeader(frame, at);
  if (!header || header->frame_bytes() != frame.size()) return end;
  if (auto index = DecodeIndex(*header, frame)) end.index = std::move(*index);
  return end;
}

void SegmentSet::AddClosed(const Segment& segment) {
  const std::lock_guard lock(mutex_);
  segments_.push_back(segment);
}

void SegmentSet::AddNewest(const Segment& segment, std::shared_ptr<io::File> file,
                           std::vector<IndexEntry> index) {
  const std::lock_guard lock(mutex_);
  segments_.push_back(segment);
  newest_file_ = std::move(file);
  newest_index_ = std::move(index);
}

void SegmentSet::AddIndexEntries(const std::vector<IndexEntry>& entries) {
  if (entries.empty()) return;
  const std::lock_guard lock(mutex_);
  newest_index_.insert(newest_index_.end(), entries.begin(), entries.end());
}

std::vector<IndexEntry> SegmentSet::NewestIndex() const {
  const std::lock_guard lock(mutex_);
  return newest_index_;
}

void SegmentSet::CloseNewest(Offset end, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  WEIR_CHECK(!segments_.empty() && !segments_.back().closed);
  segments_.back().end = end;
  segments_.back().bytes = bytes;
  segments_.back().closed = true;
  newest_file_.reset();
  newest_index_.clear();
}

bool SegmentSet::DropNewestIfEmpty(Offset next) {
  const std::lock_guard lock(mutex_);
  if (segments_.empty() || segments_.back().first != next) return false;
  opened_.remove_if([&](const Opened& opened) { return opened.first == next; });
  segments_.pop_back();
  newest_file_.reset();
  newest_index_.clear();
  return true;
}

void SegmentSet::RemoveOldest() {
  const std::lock_guard lock(mutex_);
  WEIR_CHECK(!segments_.empty() && segments_.front().closed);
  opened_.remove_if([&](const Opened& opened) { return opened.first == segments_.front().first; });
  segments_.erase(segments_.begin());
}

void SegmentSet::Locate(const std::vector<IndexEntry>& index, Offset offset, Place* place) {
  auto after = std::upper_bound(index.begin(), index.end(), offset,
                                [](Offset o, const IndexEntry& entry) { return o < entry.first; });
  place->next_indexed = after == index.end() ? place->segment_end : after->first;
  place->position = after == index.begin() ? kSegmentHeaderBytes
                                           : uint64_t{std::prev(after)->sector} * kSectorBytes;
}

base::Result<SegmentSet::Opened> SegmentSet::OpenClosed(const Segment& segment) {
  WEIR_ASSIGN_OR_RETURN(auto file, files_.Open(PathOf(segment.first), io::OpenMode::kRead));
  auto end = ReadSegmentEnd(*file);
  if (!end && end.error().code != ErrorCode::kCorruption) return base::Fail(end.error());
  // Without an index, or with one that leads elsewhere, every frame is walked.
  std::vector<IndexEntry> index;
  if (end) index = std::move(end->index);
  return Opened{segment.first, std::move(file),
                std::make_shared<const std::vector<IndexEntry>>(std::move(index))};
}

base::Result<SegmentSet::Place> SegmentSet::Find(Offset offset) {
  Place place;
  std::unique_lock lock(mutex_);
  auto after = std::upper_bound(segments_.begin(), segments_.end(), offset,
                                [](Offset o, const Segment& s) { return o < s.first; });
  if (after == segments_.begin()) {
    const uint64_t begin = segments_.empty() ? 0 : segments_.front().first.value();
    return base::Fail(ErrorCode::kNotFound, "offsets " + std::to_string(offset.value()) + " to " +
                                                std::to_string(begin == 0 ? 0 : begin - 1) +
                                                " are not on this disk; they were archived");
  }
  const Segment segment = *std::prev(after);
  place.segment_first = segment.first;
  place.name = SegmentName(segment.first);
  if (!segment.closed && newest_file_) {
    place.segment_end = Offset(UINT64_MAX);
    place.file = newest_file_;
    Locate(newest_index_, offset, &place);
    return place;
  }
  place.segment_end = segment.end;
  auto opened = std::find_if(opened_.begin(), opened_.end(),
                             [&](const Opened& o) { return o.first == segment.first; });
  if (opened != opened_.end()) {
    opened_.splice(opened_.begin(), opened_, opened);
  } else {
    lock.unlock();
    WEIR_ASSIGN_OR_RETURN(Opened fresh, OpenClosed(segment));
    lock.lock();
    opened_.push_front(std::move(fresh));
    if (opened_.size() > kOpenMax) opened_.pop_back();
  }
  place.file = opened_.front().file;
  Locate(*opened_.front().index, offset, &place);
  return place;
}

Offset SegmentSet::begin() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? Offset() : segments_.front().first;
}

bool SegmentSet::empty() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty();
}

std::vector<SegmentSet::Segment> SegmentSet::segments() const {
  const std::lock_guard lock(mutex_);
  return segments_;
}

uint64_t SegmentSet::disk_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const Segment& segment : segments_) bytes += segment.bytes;
  return bytes;
}

}  // namespace weir::journal

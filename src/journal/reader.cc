#include "journal/reader.h"

#include <algorithm>
#include <vector>

namespace weir::journal {
namespace {

using base::ErrorCode;

constexpr size_t kPieceBytes = 128u << 10;
// Batches decoded ahead when reading on: those that came with the same piece.
constexpr size_t kAheadMax = 16;

tl::unexpected<base::Error> Damaged(const SegmentSet::Place& place, uint64_t position, Offset from,
                                    Offset to_exclusive, const std::string& what) {
  std::string offsets = "offsets " + std::to_string(from.value());
  if (to_exclusive == Offset(UINT64_MAX)) {
    offsets += " and later";
  } else {
    offsets += " to " + std::to_string(std::max(from + 1, to_exclusive).value() - 1);
  }
  return base::Fail(ErrorCode::kCorruption, offsets + " cannot be read: " + place.name + ", byte " +
                                                std::to_string(position) + ": " + what);
}

}  // namespace

size_t Reader::SizeOf(const Batch& batch) {
  return sizeof batch + batch.storage->size() + batch.records.size() * sizeof(RecordView);
}

Reader::SharedBatch Reader::FromCache(Offset offset) {
  const std::lock_guard lock(mutex_);
  auto after = cache_.upper_bound(offset.value());
  if (after == cache_.begin()) return nullptr;
  Cached& cached = std::prev(after)->second;
  if (offset >= cached.batch->header.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, cached.recent);
  return cached.batch;
}

bool Reader::AfterCached(Offset offset, SegmentSet::Place* place) {
  const std::lock_guard lock(mutex_);
  auto after = cache_.lower_bound(offset.value());
  if (after == cache_.begin()) return false;
  const Cached& cached = std::prev(after)->second;
  if (cached.batch->header.end() != offset || cached.segment != place->segment_first) return false;
  place->position = cached.batch->header.next_position();
  return true;
}

void Reader::Keep(const SharedBatch& batch, Offset segment) {
  const size_t size = SizeOf(*batch);
  if (size > cache_bytes_max_) return;
  const std::lock_guard lock(mutex_);
  const uint64_t first = batch->header.first.value();
  if (cache_.contains(first)) return;
  recent_.push_front(first);
  cache_.emplace(first, Cached{batch, segment, recent_.begin()});
  cache_bytes_ += size;
  while (cache_bytes_ > cache_bytes_max_) {
    const auto oldest = cache_.find(recent_.back());
    cache_bytes_ -= SizeOf(*oldest->second.batch);
    cache_.erase(oldest);
    recent_.pop_back();
  }
}

base::Result<Reader::SharedBatch> Reader::Walk(const SegmentSet::Place& place, Offset offset,
                                               Offset end, size_t ahead_max) {
  uint64_t position = place.position;
  std::string piece;
  uint64_t piece_at = 0;
  // The bytes [at, at + count), or fewer at the end of the file.
  const auto view = [&](uint64_t at, size_t count) -> base::Result<std::string_view> {
    if (at < piece_at || at + count > piece_at + piece.size()) {
      piece.resize(std::max(count, kPieceBytes));
      piece_at = at;
      WEIR_ASSIGN_OR_RETURN(const size_t got, place.file->ReadAt(at, piece));
      piece.resize(got);
    }
    return std::string_view(piece).substr(static_cast<size_t>(at - piece_at), count);
  };
  SharedBatch wanted;
  size_t ahead = 0;
  Offset expected = Offset();
  for (;;) {
    if (wanted) {
      // What the same piece holds is decoded while it is here; what it cuts off is read later.
      const bool in_piece = position + kFrameHeaderBytes <= piece_at + piece.size();
      if (!in_piece || ++ahead > ahead_max) return wanted;
    }
    WEIR_ASSIGN_OR_RETURN(std::string_view bytes, view(position, kFrameHeaderBytes));
    const auto header = DecodeFrameHeader(bytes, position);
    if (!header) {
      if (wanted) return wanted;
      return Damaged(place, position, offset, place.next_indexed, header.error().message);
    }
    if (expected != Offset() && header->first != expected) {
      if (wanted) return wanted;
      return Damaged(place, position, offset, place.next_indexed, "a frame is out of order");
    }
    expected = header->end();
    const bool batch = header->type == FrameType::kBatch;
    if (!wanted && (header->first > offset || header->type == FrameType::kFooter)) {
      return Damaged(place, position, offset, header->first, "no frame holds it");
    }
    if (batch && header->end() > offset) {
      if (header->end() > end) return wanted;
      if (wanted && position + header->used_bytes() > piece_at + piece.size()) return wanted;
      WEIR_ASSIGN_OR_RETURN(bytes, view(position, header->used_bytes()));
      auto decoded = DecodeBatch(*header, bytes);
      if (!decoded) {
        if (wanted) return wanted;
        return Damaged(place, position, header->first, header->end(), decoded.error().message);
      }
      const auto shared = std::make_shared<const Batch>(std::move(*decoded));
      Keep(shared, place.segment_first);
      if (!wanted) wanted = shared;
    }
    if (wanted && header->type == FrameType::kFooter) return wanted;
    position = header->next_position();
  }
}

base::Result<Reader::SharedBatch> Reader::Find(Offset offset, Offset end, size_t ahead_max) {
  if (offset >= segments_.begin()) {
    if (SharedBatch cached = FromCache(offset)) return cached;
  }
  WEIR_ASSIGN_OR_RETURN(SegmentSet::Place place, segments_.Find(offset));
  AfterCached(offset, &place);
  WEIR_ASSIGN_OR_RETURN(SharedBatch batch, Walk(place, offset, end, ahead_max));
  if (!batch) {
    return Damaged(place, place.position, offset, offset + 1, "no frame below the end holds it");
  }
  return batch;
}

base::Status Reader::Read(Offset from, Offset end, size_t records_max, size_t bytes_max,
                          Block* block) {
  block->Clear();
  size_t bytes = 0;
  while (from < end && block->records.size() < records_max) {
    const auto found = Find(from, end, kAheadMax);
    if (!found) {
      // What was read before the damage is served; the next call meets it first.
      if (!block->records.empty()) return {};
      return base::Fail(found.error());
    }
    const SharedBatch& batch = *found;
    block->storage.push_back(batch->storage);
    for (size_t i = from - batch->header.first; i < batch->records.size(); ++i) {
      const RecordView& record = batch->records[i];
      const size_t size = record.head.size() + record.body.size();
      if (block->records.size() >= records_max ||
          (!block->records.empty() && bytes + size > bytes_max)) {
        return {};
      }
      bytes += size;
      block->records.push_back(record);
      from = record.offset + 1;
    }
  }
  return {};
}

base::Result<Record> Reader::ReadOne(Offset offset, Offset end) {
  if (offset >= end) {
    return base::Fail(ErrorCode::kNotFound, "offset " + std::to_string(offset.value()) +
                                                " is not below the durable end, " +
                                                std::to_string(end.value()));
  }
  WEIR_ASSIGN_OR_RETURN(const SharedBatch batch, Find(offset, end, 0));
  const RecordView& view = batch->records[offset - batch->header.first];
  Record record;
  static_cast<RecordHeader&>(record) = view;
  record.offset = view.offset;
  record.head = view.head;
  record.body = view.body;
  return record;
}

}  // namespace weir::journal

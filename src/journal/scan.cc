#include "journal/scan.h"

#include <algorithm>

#include "journal/frame.h"

namespace weir::journal {
namespace {

constexpr size_t kPieceBytes = 1u << 20;
constexpr uint64_t kIndexStrideMin = 64u << 10;

// The whole frame at `position`, or why there is none.
struct Found {
  FrameHeader header;
  std::string_view bytes;
  std::string damage;
};

base::Result<Found> FrameAt(FileWindow& window, const SegmentScan& scan) {
  WEIR_ASSIGN_OR_RETURN(std::string_view bytes, window.View(scan.position, kFrameHeaderBytes));
  Found found;
  auto header = DecodeFrameHeader(bytes, scan.position);
  if (!header) {
    found.damage = header.error().message;
    return found;
  }
  found.header = *header;
  if (found.header.first != scan.end) {
    found.damage = "a frame begins with offset " + std::to_string(found.header.first.value()) +
                   " where " + std::to_string(scan.end.value()) + " is due";
    return found;
  }
  WEIR_ASSIGN_OR_RETURN(found.bytes, window.View(scan.position, found.header.frame_bytes()));
  if (found.bytes.size() < found.header.frame_bytes()) {
    found.damage = "a frame is incomplete";
  } else if (auto whole = CheckFrame(found.header, found.bytes); !whole) {
    found.damage = whole.error().message;
  } else if (found.header.type != FrameType::kBatch && found.header.chain != scan.chain) {
    found.damage = "a frame's chain value is not that of the batches before it";
  }
  return found;
}

// Looks at everything from scan->position to the end of the file.
base::Status ExamineRest(FileWindow& window, SegmentScan* scan) {
  scan->rest_end = scan->position;
  for (uint64_t at = scan->position; at < window.size(); at += kSectorBytes) {
    WEIR_ASSIGN_OR_RETURN(const std::string_view sector, window.View(at, kSectorBytes));
    if (AllZero(sector)) continue;
    scan->rest_end = at + sector.find_last_not_of('\0') + 1;
    if (scan->rest == Rest::kZeros) scan->rest = Rest::kUnproven;
    if (at == scan->position) continue;
    const auto later = DecodeFrameHeader(sector, at);
    if (later && later->group_position() > scan->position) scan->rest = Rest::kProven;
  }
  if (scan->rest_end > scan->position + scan->header.group_bytes_max) scan->rest = Rest::kProven;
  if (scan->rest == Rest::kZeros) {
    scan->damage.clear();
  } else if (scan->damage.empty()) {
    scan->damage = "there are bytes after the segment's footer";
  }
  return {};
}

}  // namespace

base::Result<std::string_view> FileWindow::View(uint64_t at, size_t count) {
  at = std::min(at, size_);
  count = static_cast<size_t>(std::min<uint64_t>(count, size_ - at));
  if (at < begin_ || at + count > begin_ + piece_.size()) {
    const uint64_t wanted = std::max<uint64_t>(count, kPieceBytes);
    piece_.resize(static_cast<size_t>(std::min(wanted, size_ - at)));
    begin_ = at;
    WEIR_ASSIGN_OR_RETURN(const size_t got, file_.ReadAt(at, piece_));
    piece_.resize(got);
    count = std::min(count, got);
  }
  return std::string_view(piece_).substr(static_cast<size_t>(at - begin_), count);
}

uint64_t IndexStride(uint64_t segment_bytes) {
  return std::max(kIndexStrideMin, segment_bytes / (kIndexEntriesMax / 2));
}

base::Result<SegmentScan> ScanSegmentFrom(const io::File& file, const ScanStart& start,
                                          const FrameVisitor& visit) {
  WEIR_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  FileWindow window(file, size);
  SegmentScan scan;
  scan.header = start.header;
  scan.position = scan.group_position = start.position;
  scan.end = start.end;
  scan.chain = start.chain;
  const uint64_t stride = IndexStride(scan.header.segment_bytes);
  while (!scan.closed) {
    WEIR_ASSIGN_OR_RETURN(const Found found, FrameAt(window, scan));
    if (!found.damage.empty()) {
      scan.damage = found.damage;
      break;
    }
    const FrameHeader& header = found.header;
    if (header.type == FrameType::kBatch &&
        (scan.index.empty() ||
         header.position() - uint64_t{scan.index.back().sector} * kSectorBytes >= stride)) {
      scan.index.push_back({header.first, header.sector});
    }
    WEIR_RETURN_IF_ERROR(visit(header, found.bytes));
    scan.sealed = header.type == FrameType::kSeal;
    scan.closed = header.type == FrameType::kFooter;
    scan.position = header.next_position();
    scan.group_position = header.group_position();
    scan.end = header.end();
    scan.chain = header.chain;
  }
  WEIR_RETURN_IF_ERROR(ExamineRest(window, &scan));
  return scan;
}

base::Result<SegmentScan> ScanSegment(const io::File& file, const FrameVisitor& visit) {
  std::string sector(kSegmentHeaderBytes, '\0');
  WEIR_ASSIGN_OR_RETURN(const size_t got, file.ReadAt(0, sector));
  WEIR_ASSIGN_OR_RETURN(const SegmentHeader header, DecodeSegmentHeader({sector.data(), got}));
  return ScanSegmentFrom(file, {header, kSegmentHeaderBytes, header.first, header.chain}, visit);
}

base::Result<std::optional<FrameHeader>> FindFrame(const io::File& file, uint64_t position) {
  WEIR_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  FileWindow window(file, size);
  for (; position < size; position += kSectorBytes) {
    WEIR_ASSIGN_OR_RETURN(std::string_view bytes, window.View(position, kFrameHeaderBytes));
    const auto header = DecodeFrameHeader(bytes, position);
    if (!header) continue;
    WEIR_ASSIGN_OR_RETURN(bytes, window.View(position, header->frame_bytes()));
    if (bytes.size() == header->frame_bytes() && CheckFrame(*header, bytes)) return *header;
  }
  return std::nullopt;
}

}  // namespace weir::journal

#include "journal/inspect.h"

#include <algorithm>

#include "journal/frame.h"
#include "journal/scan.h"

namespace weir::journal {
namespace {

using base::ErrorCode;

base::Result<std::vector<Offset>> SegmentsOf(io::FileSystem& files, const std::string& directory) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(directory));
  std::vector<Offset> firsts;
  for (const std::string& name : names) {
    if (const auto first = ParseSegmentName(name)) firsts.push_back(*first);
  }
  return firsts;
}

// Visits the records of one segment; false when enough were visited.
class Dumper {
 public:
  Dumper(Offset from, uint64_t count, const RecordVisitor& visit, const SkippedVisitor& skipped)
      : from_(from), left_(count), visit_(visit), skipped_(skipped) {}

  bool done() const { return left_ == 0; }
  base::Status Segment(const io::File& file, Offset first);

 private:
  base::Status Frame(const FrameHeader& header, std::string_view frame);

  const Offset from_;
  uint64_t left_;
  const RecordVisitor& visit_;
  const SkippedVisitor& skipped_;
};

base::Status Dumper::Frame(const FrameHeader& header, std::string_view frame) {
  if (header.type != FrameType::kBatch || header.end() <= from_ || done()) return {};
  const auto batch = DecodeBatch(header, frame);
  if (!batch) {
    skipped_(header.first, header.end(), batch.error().message);
    return {};
  }
  for (const RecordView& record : batch->records) {
    if (record.offset < from_ || done()) continue;
    --left_;
    WEIR_RETURN_IF_ERROR(visit_(record));
  }
  return {};
}

base::Status Dumper::Segment(const io::File& file, Offset first) {
  const auto visit = [this](const FrameHeader& header, std::string_view frame) {
    return Frame(header, frame);
  };
  ScanStart start;
  start.position = kSegmentHeaderBytes;
  start.end = first;
  for (bool begun = false;; begun = true) {
    // Frames vouch for themselves: a damaged segment header hides none of them.
    WEIR_ASSIGN_OR_RETURN(const std::optional<FrameHeader> next, FindFrame(file, start.position));
    if (!next) return {};
    if (begun || next->position() != start.position) {
      skipped_(start.end, std::max(start.end, next->first), "damaged");
    }
    start.position = next->position();
    start.end = next->first;
    start.chain = next->chain;
    WEIR_ASSIGN_OR_RETURN(const SegmentScan scan, ScanSegmentFrom(file, start, visit));
    if (scan.rest == Rest::kZeros || done()) return {};
    start.position = scan.position + kSectorBytes;
    start.end = scan.end;
  }
}

}  // namespace

base::Result<bool> HasSegments(io::FileSystem& files, const std::string& directory) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<Offset> firsts, SegmentsOf(files, directory));
  return !firsts.empty();
}

base::Result<std::vector<SegmentSummary>> ListSegments(io::FileSystem& files,
                                                       const std::string& directory) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<Offset> firsts, SegmentsOf(files, directory));
  std::vector<SegmentSummary> summaries;
  for (const Offset first : firsts) {
    SegmentSummary summary;
    summary.name = SegmentName(first);
    summary.first = summary.end = first;
    WEIR_ASSIGN_OR_RETURN(const auto file,
                          files.Open(io::JoinPath(directory, summary.name), io::OpenMode::kRead));
    WEIR_ASSIGN_OR_RETURN(summary.file_bytes, file->Size());
    const auto scan = ScanSegment(*file, [&](const FrameHeader& header, std::string_view) {
      summary.last_written_ms = header.written_ms;
      if (header.type == FrameType::kBatch) ++summary.batches;
      return base::Status{};
    });
    if (scan) {
      summary.end = scan->end;
      summary.used_bytes = scan->position;
      summary.created_ms = scan->header.created_ms;
      summary.closed = scan->closed;
      summary.sealed = scan->closed || scan->sealed;
      summary.damage = scan->damage;
    } else if (scan.error().code == ErrorCode::kCorruption) {
      summary.damage = scan.error().message;
    } else {
      return base::Fail(scan.error());
    }
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

base::Status DumpRecords(io::FileSystem& files, const std::string& directory, Offset from,
                         uint64_t count, const RecordVisitor& visit,
                         const SkippedVisitor& skipped) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<Offset> firsts, SegmentsOf(files, directory));
  Dumper dumper(from, count, visit, skipped);
  for (size_t i = 0; i < firsts.size() && !dumper.done(); ++i) {
    if (i + 1 < firsts.size() && firsts[i + 1] <= from) continue;
    WEIR_ASSIGN_OR_RETURN(
        const auto file,
        files.Open(io::JoinPath(directory, SegmentName(firsts[i])), io::OpenMode::kRead));
    WEIR_RETURN_IF_ERROR(dumper.Segment(*file, firsts[i]));
  }
  return {};
}

}  // namespace weir::journal

// Walks the frames of one segment file from its beginning, and tells what stands where they end.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "journal/format.h"

namespace weir::journal {

// A file read in large pieces; memory is one piece.
class FileWindow {
 public:
  FileWindow(const io::File& file, uint64_t size) : file_(file), size_(size) {}

  // The bytes [at, at + count), fewer at the end of the file; valid until the next call.
  base::Result<std::string_view> View(uint64_t at, size_t count);
  uint64_t size() const { return size_; }

 private:
  const io::File& file_;
  uint64_t size_;
  uint64_t begin_ = 0;
  std::string piece_;
};

// What stands after the last frame that is whole.
enum class Rest : uint8_t {
  kZeros,     // nothing, or the zeros that were reserved
  kUnproven,  // bytes that one interrupted write may have left
  kProven,    // something that was written only after what is damaged had been durable
};

struct SegmentScan {
  SegmentHeader header;
  // After the last whole frame.
  uint64_t position = 0;
  Offset end;
  Digest chain;
  uint64_t group_position = 0;  // where the last frame's group begins
  bool sealed = false;          // the last frame is a seal
  bool closed = false;          // it is the footer
  Rest rest = Rest::kZeros;
  uint64_t rest_end = 0;  // after the last byte that is not zero; position when kZeros
  std::string damage;     // what is wrong at `position`; empty when kZeros
  std::vector<IndexEntry> index;
};

// Called for each whole frame with its bytes, padding included.
using FrameVisitor = std::function<base::Status(const FrameHeader& header, std::string_view frame)>;

// kCorruption only for the segment's header; damage further on is in the result. Errors of reading,
// and the visitor's, are returned as they are.
base::Result<SegmentScan> ScanSegment(const io::File& file, const FrameVisitor& visit);

// The same from a frame in the middle, behind damage: it holds `end` or what comes after it.
struct ScanStart {
  SegmentHeader header;
  uint64_t position = 0;
  Offset end;
  Digest chain;
};
base::Result<SegmentScan> ScanSegmentFrom(const io::File& file, const ScanStart& start,
                                          const FrameVisitor& visit);
// The first whole frame at or behind `position`; nullopt: there is none.
base::Result<std::optional<FrameHeader>> FindFrame(const io::File& file, uint64_t position);

// Bytes between the starts of two index entries of a segment of this size.
uint64_t IndexStride(uint64_t segment_bytes);

}  // namespace weir::journal

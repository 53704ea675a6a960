// The bytes of a segment file: docs/formats/journal.md says what each means, what each checksum
// covers, and why. Encoding never fails; decoding trusts nothing, not even a valid checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "journal/record.h"

namespace weir::journal {

constexpr size_t kSectorBytes = 512;  // every frame begins at a multiple of it
constexpr size_t kSegmentHeaderBytes = kSectorBytes;
constexpr size_t kFrameHeaderBytes = 96;
constexpr size_t kEntryBytes = 68;
constexpr size_t kIndexEntryBytes = 12;

constexpr size_t kHeadBytesMax = 64u << 10;
constexpr size_t kBodyBytesMax = 16u << 20;
constexpr size_t kFrameRecordsMax = 4096;
// A frame takes records until it holds this much; a larger record has a frame of its own.
constexpr size_t kFramePayloadBytes = 256u << 10;
constexpr size_t kFramePayloadBytesMax = kHeadBytesMax + kBodyBytesMax;
constexpr size_t kIndexEntriesMax = 4096;

constexpr uint64_t RoundUpToSector(uint64_t bytes) {
  return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}

struct SegmentHeader {
  uint64_t segment_bytes = 0;    // the size that was reserved
  uint64_t group_bytes_max = 0;  // no group written to this segment is longer
  Offset first;
  int64_t created_ms = 0;
  Digest chain;  // before the first record
};

enum class FrameType : uint8_t {
  kBatch = 1,   // records
  kSeal = 2,    // the writer stopped in good order here
  kIndex = 3,   // where some of the segment's batches begin
  kFooter = 4,  // the segment's last sector
};

struct FrameHeader {
  FrameType type = FrameType::kBatch;
  bool compressed = false;
  uint32_t count = 0;
  Offset first;  // of the batch; of the next record, in other frames
  int64_t written_ms = 0;
  uint32_t sector = 0;        // where the frame begins
  uint32_t group_sector = 0;  // where its group begins: all before was durable when it was written
  uint32_t heads_bytes = 0;
  uint32_t bodies_bytes = 0;
  uint32_t stored_bytes = 0;  // of the payload, as it is in the file
  uint32_t table_crc = 0;
  uint32_t payload_crc = 0;
  uint32_t index_sector = 0;  // kFooter: where the index is
  Digest chain;               // after the frame's records

  Offset end() const { return first + (type == FrameType::kBatch ? count : 0); }
  uint64_t position() const { return uint64_t{sector} * kSectorBytes; }
  uint64_t group_position() const { return uint64_t{group_sector} * kSectorBytes; }
  size_t table_bytes() const { return type == FrameType::kBatch ? size_t{count} * kEntryBytes : 0; }
  // The frame without its padding, and with it.
  uint64_t used_bytes() const { return kFrameHeaderBytes + table_bytes() + stored_bytes; }
  uint64_t frame_bytes() const { return RoundUpToSector(used_bytes()); }
  uint64_t next_position() const { return position() + frame_bytes(); }
};

// What the table of a batch says of one record.
struct TableEntry : RecordHeader {
  uint32_t head_bytes = 0;
  uint32_t body_bytes = 0;
};

struct IndexEntry {
  Offset first;
  uint32_t sector = 0;
};

void EncodeSegmentHeader(const SegmentHeader& header, char* to);  // kSegmentHeaderBytes
base::Result<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);

void EncodeFrameHeader(const FrameHeader& header, char* to);  // kFrameHeaderBytes
// kCorruption unless the checksum holds and every field is within its limits; `position` is where
// the bytes were read.
base::Result<FrameHeader> DecodeFrameHeader(std::string_view bytes, uint64_t position);

void EncodeEntry(const TableEntry& entry, char* to);  // kEntryBytes
TableEntry DecodeEntry(const char* from);

// The chain after a batch: SHA-256 over the chain before it, and what the format says of the batch.
Digest NextChain(const Digest& before, const FrameHeader& header, std::string_view table,
                 std::string_view heads);
// The chain of a journal without records.
Digest FirstChain(int64_t created_ms);

// "00000000000000000042.seg", and back.
std::string SegmentName(Offset first);
std::optional<Offset> ParseSegmentName(std::string_view name);

bool AllZero(std::string_view bytes);

}  // namespace weir::journal

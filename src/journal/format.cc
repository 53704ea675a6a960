#include "journal/format.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace weir::journal {
namespace {

using base::ErrorCode;
using base::GetInt;
using base::PutInt;

constexpr std::string_view kSegmentMagic = "WEIRSEG1";
constexpr uint32_t kFrameMagic = 0x4d465257;  // "WRFM"
constexpr uint8_t kCompressed = 1;

// Writes fields one after the other; the layout is the order of the calls.
class Fields {
 public:
  explicit Fields(char* to) : to_(to) {}
  template <class T>
  Fields& Int(T value) {
    PutInt(to_, value);
    to_ += sizeof value;
    return *this;
  }
  Fields& Bytes(std::string_view bytes) {
    std::memcpy(to_, bytes.data(), bytes.size());
    to_ += bytes.size();
    return *this;
  }

 private:
  char* to_;
};

template <size_t N>
void ReadArray(base::ByteReader& reader, std::array<uint8_t, N>& to) {
  const std::string_view bytes = reader.Bytes(N);
  std::memcpy(to.data(), bytes.data(), std::min(bytes.size(), N));
}

tl::unexpected<base::Error> Corrupt(std::string what) {
  return base::Fail(ErrorCode::kCorruption, std::move(what));
}

base::Status CheckLimits(const FrameHeader& header) {
  const bool batch = header.type == FrameType::kBatch;
  if (header.count > kFrameRecordsMax || (batch && header.count == 0)) {
    return Corrupt("a frame's record count is out of range");
  }
  const uint64_t payload = uint64_t{header.heads_bytes} + header.bodies_bytes;
  if (payload > kFramePayloadBytesMax) {
    return Corrupt("a frame's payload is larger than any that is written");
  }
  if (header.compressed ? header.stored_bytes >= payload : header.stored_bytes != payload) {
    return Corrupt("a frame's sizes contradict each other");
  }
  if (header.first.value() + header.count < header.first.value() ||
      header.group_sector > header.sector) {
    return Corrupt("a frame's offsets contradict each other");
  }
  const bool empty = header.count == 0 && payload == 0;
  if ((header.type == FrameType::kSeal || header.type == FrameType::kFooter) && !empty) {
    return Corrupt("a frame without payload claims one");
  }
  if (header.type == FrameType::kIndex &&
      (header.compressed || header.heads_bytes != 0 || header.count > kIndexEntriesMax ||
       header.bodies_bytes != header.count * kIndexEntryBytes)) {
    return Corrupt("an index frame's sizes contradict each other");
  }
  if ((header.type == FrameType::kFooter) != (header.index_sector != 0)) {
    return Corrupt("a frame's link to an index is out of place");
  }
  return {};
}

}  // namespace

void EncodeSegmentHeader(const SegmentHeader& header, char* to) {
  std::memset(to, 0, kSegmentHeaderBytes);
  kSegmentMagic.copy(to, kSegmentMagic.size());
  Fields(to + 12)
      .Int<uint32_t>(0)
      .Int<uint64_t>(header.segment_bytes)
      .Int<uint64_t>(header.group_bytes_max)
      .Int<uint64_t>(header.first.value())
      .Int<int64_t>(header.created_ms)
      .Bytes(header.chain.view());
  PutInt(to + 8, base::Crc32c({to + 12, kSegmentHeaderBytes - 12}));
}

base::Result<SegmentHeader> DecodeSegmentHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return Corrupt("the segment's header is incomplete");
  bytes = bytes.substr(0, kSegmentHeaderBytes);
  if (!bytes.starts_with(kSegmentMagic)) {
    return Corrupt("the file does not begin as a segment does");
  }
  if (GetInt<uint32_t>(bytes.data() + 8) != base::Crc32c(bytes.substr(12))) {
    return Corrupt("the segment header's checksum does not match");
  }
  base::ByteReader reader(bytes.substr(16));
  SegmentHeader header;
  header.segment_bytes = reader.Int<uint64_t>();
  header.group_bytes_max = reader.Int<uint64_t>();
  header.first = Offset(reader.Int<uint64_t>());
  header.created_ms = reader.Int<int64_t>();
  ReadArray(reader, header.chain.bytes);
  return header;
}

void EncodeFrameHeader(const FrameHeader& header, char* to) {
  Fields(to)
      .Int<uint32_t>(kFrameMagic)
      .Int<uint32_t>(0)
      .Int(static_cast<uint8_t>(header.type))
      .Int<uint8_t>(header.compressed ? kCompressed : 0)
      .Int<uint16_t>(0)
      .Int(header.count)
      .Int<uint64_t>(header.first.value())
      .Int(header.written_ms)
      .Int(header.sector)
      .Int(header.group_sector)
      .Int(header.heads_bytes)
      .Int(header.bodies_bytes)
      .Int(header.stored_bytes)
      .Int(header.table_crc)
      .Int(header.payload_crc)
      .Int(header.index_sector)
      .Bytes(header.chain.view());
  PutInt(to + 4, base::Crc32c({to + 8, kFrameHeaderBytes - 8}));
}

base::Result<FrameHeader> DecodeFrameHeader(std::string_view bytes, uint64_t position) {
  if (bytes.size() < kFrameHeaderBytes) return Corrupt("a frame's header is incomplete");
  bytes = bytes.substr(0, kFrameHeaderBytes);
  base::ByteReader reader(bytes);
  if (reader.Int<uint32_t>() != kFrameMagic) return Corrupt("no frame begins here");
  if (reader.Int<uint32_t>() != base::Crc32c(bytes.substr(8))) {
    return Corrupt("a frame header's checksum does not match");
  }
  FrameHeader header;
  const auto type = reader.Int<uint8_t>();
  if (type < static_cast<uint8_t>(FrameType::kBatch) ||
      type > static_cast<uint8_t>(FrameType::kFooter)) {
    return Corrupt("a frame is of an unknown type");
  }
  header.type = static_cast<FrameType>(type);
  const auto flags = reader.Int<uint8_t>();
  if ((flags & ~kCompressed) != 0) return Corrupt("a frame has unknown flags");
  header.compressed = (flags & kCompressed) != 0;
  if (reader.Int<uint16_t>() != 0) return Corrupt("a frame's reserved bytes are not zero");
  header.count = reader.Int<uint32_t>();
  header.first = Offset(reader.Int<uint64_t>());
  header.written_ms = reader.Int<int64_t>();
  header.sector = reader.Int<uint32_t>();
  header.group_sector = reader.Int<uint32_t>();
  header.heads_bytes = reader.Int<uint32_t>();
  header.bodies_bytes = reader.Int<uint32_t>();
  header.stored_bytes = reader.Int<uint32_t>();
  header.table_crc = reader.Int<uint32_t>();
  header.payload_crc = reader.Int<uint32_t>();
  header.index_sector = reader.Int<uint32_t>();
  ReadArray(reader, header.chain.bytes);
  if (header.position() != position) return Corrupt("a frame is not where it was written");
  WEIR_RETURN_IF_ERROR(CheckLimits(header));
  return header;
}

void EncodeEntry(const TableEntry& entry, char* to) {
  Fields(to)
      .Bytes({reinterpret_cast<const char*>(entry.key.bytes.data()), entry.key.bytes.size()})
      .Bytes(entry.sha256.view())
      .Int(entry.time_ms)
      .Int(entry.head_bytes)
      .Int(entry.body_bytes)
      .Int(entry.kind)
      .Int(entry.flags)
      .Int<uint8_t>(0);
}

TableEntry DecodeEntry(const char* from) {
  base::ByteReader reader({from, kEntryBytes});
  TableEntry entry;
  ReadArray(reader, entry.key.bytes);
  ReadArray(reader, entry.sha256.bytes);
  entry.time_ms = reader.Int<int64_t>();
  entry.head_bytes = reader.Int<uint32_t>();
  entry.body_bytes = reader.Int<uint32_t>();
  entry.kind = reader.Int<uint16_t>();
  entry.flags = reader.Int<uint8_t>();
  return entry;
}

Digest NextChain(const Digest& before, const FrameHeader& header, std::string_view table,
                 std::string_view heads) {
  char fields[28];
  Fields(fields)
      .Int<uint64_t>(header.first.value())
      .Int(header.written_ms)
      .Int(header.count)
      .Int(header.heads_bytes)
      .Int(header.bodies_bytes);
  return base::Sha256({before.view(), {fields, sizeof fields}, table, heads});
}

Digest FirstChain(int64_t created_ms) {
  char time[8];
  PutInt(time, created_ms);
  return base::Sha256({"weir journal 1", {time, sizeof time}});
}

std::string SegmentName(Offset first) {
  const std::string digits = std::to_string(first.value());
  return std::string(20 - digits.size(), '0') + digits + ".seg";
}

std::optional<Offset> ParseSegmentName(std::string_view name) {
  if (name.size() != 24 || name.substr(20) != ".seg") return std::nullopt;
  uint64_t value = 0;
  for (const char c : name.substr(0, 20)) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return Offset(value);
}

bool AllZero(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace weir::journal

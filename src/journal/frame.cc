#include "journal/frame.h"

#include <zstd.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace weir::journal {
namespace {

using base::ErrorCode;

// Below this, zstd's own overhead and the reader's time cost more than the bytes saved.
constexpr size_t kCompressBytesMin = 512;
constexpr uint32_t kFramesSkipped = 31;

tl::unexpected<base::Error> Corrupt(const char* what) {
  return base::Fail(ErrorCode::kCorruption, what);
}

std::string_view TableOf(const FrameHeader& header, std::string_view frame) {
  return frame.substr(kFrameHeaderBytes, header.table_bytes());
}
std::string_view PayloadOf(const FrameHeader& header, std::string_view frame) {
  return frame.substr(kFrameHeaderBytes + header.table_bytes(), header.stored_bytes);
}

ZSTD_DCtx* Decompressor() {
  struct Deleter {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_DCtx, Deleter> context(ZSTD_createDCtx());
  WEIR_CHECK(context != nullptr);
  return context.get();
}

base::Result<std::string> Unpack(const FrameHeader& header, std::string_view stored) {
  if (!header.compressed) return std::string(stored);
  std::string raw(size_t{header.heads_bytes} + header.bodies_bytes, '\0');
  const size_t got =
      ZSTD_decompressDCtx(Decompressor(), raw.data(), raw.size(), stored.data(), stored.size());
  if (ZSTD_isError(got) || got != raw.size()) {
    return Corrupt("a batch does not decompress to the size that it names");
  }
  return raw;
}

void Pad(std::string& out, size_t from) {
  out.resize(from + RoundUpToSector(out.size() - from), '\0');
}

}  // namespace

base::Status CheckFrame(const FrameHeader& header, std::string_view frame) {
  if (frame.size() < header.used_bytes()) return Corrupt("a frame is incomplete");
  if (base::Crc32c(TableOf(header, frame)) != header.table_crc) {
    return Corrupt("a batch table's checksum does not match");
  }
  if (base::Crc32c(PayloadOf(header, frame)) != header.payload_crc) {
    return Corrupt("a frame payload's checksum does not match");
  }
  return {};
}

base::Result<std::vector<RecordView>> DecodeTable(const FrameHeader& header,
                                                  std::string_view frame) {
  if (frame.size() < kFrameHeaderBytes + header.table_bytes()) {
    return Corrupt("a frame is incomplete");
  }
  const std::string_view table = TableOf(header, frame);
  if (base::Crc32c(table) != header.table_crc) {
    return Corrupt("a batch table's checksum does not match");
  }
  std::vector<RecordView> records(header.count);
  for (uint32_t i = 0; i < header.count; ++i) {
    static_cast<RecordHeader&>(records[i]) = DecodeEntry(table.data() + i * kEntryBytes);
    records[i].offset = header.first + i;
  }
  return records;
}

base::Result<Batch> DecodeBatch(const FrameHeader& header, std::string_view frame) {
  if (header.type != FrameType::kBatch) return Corrupt("the frame is not a batch");
  WEIR_RETURN_IF_ERROR(CheckFrame(header, frame));
  Batch batch{header, nullptr, {}};
  WEIR_ASSIGN_OR_RETURN(std::string raw, Unpack(header, PayloadOf(header, frame)));
  batch.storage = std::make_shared<const std::string>(std::move(raw));
  const std::string_view table = TableOf(header, frame);
  base::ByteReader heads(std::string_view(*batch.storage).substr(0, header.heads_bytes));
  base::ByteReader bodies(std::string_view(*batch.storage).substr(header.heads_bytes));
  batch.records.resize(header.count);
  for (uint32_t i = 0; i < header.count; ++i) {
    const TableEntry entry = DecodeEntry(table.data() + i * kEntryBytes);
    RecordView& record = batch.records[i];
    static_cast<RecordHeader&>(record) = entry;
    record.offset = header.first + i;
    record.head = heads.Bytes(entry.head_bytes);
    record.body = bodies.Bytes(entry.body_bytes);
  }
  if (!heads.ok() || !bodies.ok() || !heads.rest().empty() || !bodies.rest().empty()) {
    return Corrupt("the records of a batch do not add up to its size");
  }
  return batch;
}

base::Result<std::vector<IndexEntry>> DecodeIndex(const FrameHeader& header,
                                                  std::string_view frame) {
  if (header.type != FrameType::kIndex) return Corrupt("the frame is not an index");
  WEIR_RETURN_IF_ERROR(CheckFrame(header, frame));
  base::ByteReader reader(PayloadOf(header, frame));
  std::vector<IndexEntry> entries(header.count);
  for (IndexEntry& entry : entries) {
    entry.first = Offset(reader.Int<uint64_t>());
    entry.sector = reader.Int<uint32_t>();
  }
  return entries;
}

FrameBuilder::FrameBuilder(const base::Clock& clock, bool compress) : clock_(clock) {
  if (!compress) return;
  compress_ns_at_ = clock_.SteadyNs();
  compressor_ = ZSTD_createCCtx();
  WEIR_CHECK(compressor_ != nullptr);
  ZSTD_CCtx_setParameter(compressor_, ZSTD_c_compressionLevel, 1);
  ZSTD_CCtx_setParameter(compressor_, ZSTD_c_contentSizeFlag, 0);
}

FrameBuilder::~FrameBuilder() { ZSTD_freeCCtx(compressor_); }

bool FrameBuilder::Takes(size_t head_bytes, size_t body_bytes) const {
  return records_.empty() || (records_.size() < kFrameRecordsMax &&
                              payload_bytes_ + head_bytes + body_bytes <= kFramePayloadBytes);
}

void FrameBuilder::Add(const RecordHeader& header, std::string_view head, std::string_view body) {
  WEIR_CHECK(head.size() <= kHeadBytesMax && body.size() <= kBodyBytesMax);
  records_.push_back({header, head, body});
  heads_bytes_ += head.size();
  payload_bytes_ += head.size() + body.size();
}

void FrameBuilder::AppendHeads(std::string& out) const {
  for (const Pending& record : records_) out.append(record.head);
}
void FrameBuilder::AppendBodies(std::string& out) const {
  for (const Pending& record : records_) out.append(record.body);
}

bool FrameBuilder::MayCompress() {
  if (compressor_ == nullptr || payload_bytes_ < kCompressBytesMin) return false;
  if (frames_to_skip_ > 0) {
    --frames_to_skip_;
    return false;
  }
  const int64_t now_ns = clock_.SteadyNs();
  compress_ns_left_ =
      std::min(kCompressNsMax, compress_ns_left_ + (now_ns - compress_ns_at_) / kCompressShare);
  compress_ns_at_ = now_ns;
  return compress_ns_left_ > 0;
}

bool FrameBuilder::Compress(std::string& out) {
  if (!MayCompress()) return false;
  raw_.clear();
  raw_.reserve(payload_bytes_);
  AppendHeads(raw_);
  AppendBodies(raw_);
  // A destination that is too small for a result that pays lets zstd give up early.
  const size_t room = raw_.size() - raw_.size() / 8;
  const size_t before = out.size();
  out.resize(before + room);
  const size_t got =
      ZSTD_compress2(compressor_, out.data() + before, room, raw_.data(), raw_.size());
  const bool pays = ZSTD_isError(got) == 0;
  out.resize(before + (pays ? got : 0));
  if (!pays) frames_to_skip_ = kFramesSkipped;
  compress_ns_left_ -= clock_.SteadyNs() - compress_ns_at_;
  return pays;
}

FrameHeader FrameBuilder::Finish(FrameHeader at, Digest* chain, std::string& out) {
  const size_t begin = out.size();
  at.count = static_cast<uint32_t>(records_.size());
  at.heads_bytes = static_cast<uint32_t>(heads_bytes_);
  at.bodies_bytes = static_cast<uint32_t>(payload_bytes_ - heads_bytes_);
  const size_t payload_at = begin + kFrameHeaderBytes + at.table_bytes();
  out.reserve(payload_at + payload_bytes_ + kSectorBytes);
  out.resize(payload_at);
  char* entry = out.data() + begin + kFrameHeaderBytes;
  for (const Pending& record : records_) {
    EncodeEntry({{record.header},
                 static_cast<uint32_t>(record.head.size()),
                 static_cast<uint32_t>(record.body.size())},
                entry);
    entry += kEntryBytes;
  }
  at.compressed = Compress(out);
  if (!at.compressed) {
    AppendHeads(out);
    AppendBodies(out);
  }
  const std::string_view frame = std::string_view(out).substr(begin);
  const std::string_view table = frame.substr(kFrameHeaderBytes, at.table_bytes());
  const std::string_view payload = frame.substr(kFrameHeaderBytes + at.table_bytes());
  at.stored_bytes = static_cast<uint32_t>(payload.size());
  at.table_crc = base::Crc32c(table);
  at.payload_crc = base::Crc32c(payload);
  *chain = NextChain(*chain, at, table,
                     (at.compressed ? std::string_view(raw_) : payload).substr(0, heads_bytes_));
  at.chain = *chain;
  EncodeFrameHeader(at, out.data() + begin);
  Pad(out, begin);
  records_.clear();
  heads_bytes_ = payload_bytes_ = 0;
  if (raw_.capacity() > 4 * kFramePayloadBytes) std::string().swap(raw_);
  return at;
}

void AppendEmptyFrame(const FrameHeader& at, std::string& out) {
  const size_t begin = out.size();
  out.resize(begin + kFrameHeaderBytes);
  EncodeFrameHeader(at, out.data() + begin);
  Pad(out, begin);
}

void AppendIndexFrame(FrameHeader at, const std::vector<IndexEntry>& entries, std::string& out) {
  const size_t begin = out.size();
  out.resize(begin + kFrameHeaderBytes);
  for (const IndexEntry& entry : entries) {
    base::AppendInt<uint64_t>(out, entry.first.value());
    base::AppendInt<uint32_t>(out, entry.sector);
  }
  at.count = static_cast<uint32_t>(entries.size());
  at.bodies_bytes = at.stored_bytes = static_cast<uint32_t>(entries.size() * kIndexEntryBytes);
  at.payload_crc = base::Crc32c(std::string_view(out).substr(begin + kFrameHeaderBytes));
  EncodeFrameHeader(at, out.data() + begin);
  Pad(out, begin);
}

}  // namespace weir::journal

// Batches as they are written and read: one frame each (format.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "journal/format.h"
#include "journal/record.h"

struct ZSTD_CCtx_s;

namespace weir::journal {

// A batch that was read: every checksum held. Views point into `storage`.
struct Batch {
  FrameHeader header;
  std::shared_ptr<const std::string> storage;  // heads, then bodies; shared with the reader's cache
  std::vector<RecordView> records;

  std::string_view heads() const {
    return std::string_view(*storage).substr(0, header.heads_bytes);
  }
};

// `frame` holds header.used_bytes() bytes. kCorruption says what does not match.
base::Result<Batch> DecodeBatch(const FrameHeader& header, std::string_view frame);

// The table alone, its checksum checked: what recovery needs, without decompressing anything. The
// records' heads and bodies are empty.
base::Result<std::vector<RecordView>> DecodeTable(const FrameHeader& header,
                                                  std::string_view frame);

// Both checksums, without decompressing.
base::Status CheckFrame(const FrameHeader& header, std::string_view frame);

// The entries of an index frame.
base::Result<std::vector<IndexEntry>> DecodeIndex(const FrameHeader& header,
                                                  std::string_view frame);

// Gathers the records of one batch and writes its frame. One thread.
class FrameBuilder {
 public:
  // With `compress`, payloads are compressed where that pays: where it saves an eighth, and as long
  // as it takes no more than kCompressShare of one core. What comes faster than that (about 25,000
  // reports/s) is written as it is: then processor time is what the server lacks, and a write of
  // 700 bytes costs a third of compressing them.
  FrameBuilder(const base::Clock& clock, bool compress);
  ~FrameBuilder();
  FrameBuilder(const FrameBuilder&) = delete;
  FrameBuilder& operator=(const FrameBuilder&) = delete;

  // Whether a record of this size belongs into this frame still.
  bool Takes(size_t head_bytes, size_t body_bytes) const;
  // Keeps the views until Finish().
  void Add(const RecordHeader& header, std::string_view head, std::string_view body);
  bool empty() const { return records_.empty(); }
  size_t count() const { return records_.size(); }
  // No frame with these records is longer.
  uint64_t frame_bytes_max() const { return FrameBytesMax(records_.size(), payload_bytes_); }
  static uint64_t FrameBytesMax(size_t count, size_t payload_bytes) {
    return RoundUpToSector(kFrameHeaderBytes + count * kEntryBytes + payload_bytes);
  }

  // Appends the frame, padded, to `out`, and moves `chain` on. `at` has type, first, durable,
  // written_ms and sector; the rest is filled in. Empties the builder.
  FrameHeader Finish(FrameHeader at, Digest* chain, std::string& out);

 private:
  struct Pending {
    RecordHeader header;
    std::string_view head;
    std::string_view body;
  };
  static constexpr int64_t kCompressShare = 50;          // one part in so many
  static constexpr int64_t kCompressNsMax = 10'000'000;  // what a pause may save up

  bool MayCompress();
  void AppendHeads(std::string& out) const;
  void AppendBodies(std::string& out) const;
  // Compresses the payload to the end of `out`; false, and nothing appended, where it does not pay.
  bool Compress(std::string& out);

  const base::Clock& clock_;
  ZSTD_CCtx_s* compressor_ = nullptr;  // null: not wanted
  int64_t compress_ns_left_ = kCompressNsMax;
  int64_t compress_ns_at_ = 0;
  // After a frame that did not shrink, this many are written as they are before the next attempt.
  uint32_t frames_to_skip_ = 0;
  std::vector<Pending> records_;
  size_t heads_bytes_ = 0;
  size_t payload_bytes_ = 0;
  std::string raw_;
};

// Appends a frame without records (kSeal, kFooter), padded.
void AppendEmptyFrame(const FrameHeader& at, std::string& out);
// Appends an index frame, padded.
void AppendIndexFrame(FrameHeader at, const std::vector<IndexEntry>& entries, std::string& out);

}  // namespace weir::journal

// Appends records to the newest segment and makes them durable in groups.
//
// A record is *appended* by Append() and *durable* when a later Commit() returned. A group is
// written with one write and one sync; everything before it was durable when it was written, which
// each frame says of itself (FrameHeader::group_sector) and recovery relies on.
//
// Threads: one, but for the counters. Memory: one group.
// Errors: kNoSpace of MakeRoom() leaves everything as it was; any error of the others is final: no
// call may follow it, and what became of the group, recovery decides.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/file_system.h"
#include "journal/frame.h"
#include "journal/page_window.h"
#include "journal/reserve.h"
#include "journal/segment_set.h"
#include "observe/counters.h"

namespace weir::journal {

struct WriterOptions {
  size_t batch_bytes_max = 4u << 20;
  size_t batch_records_max = 8192;
  bool compress = true;
  uint64_t cached_bytes_max = UINT64_MAX;  // see page_window.h
};

// Where to go on; recovery finds it.
struct WriterStart {
  std::shared_ptr<io::File>
      file;  // of the newest segment; null where it is closed or there is none
  uint64_t segment_bytes = 0;
  uint64_t position = 0;
  Offset next;
  Digest chain;
};

struct WriterCounters {
  std::atomic<uint64_t> syncs{0};
  std::atomic<uint64_t> records{0};
  std::atomic<uint64_t> bytes_written{0};
  std::atomic<uint64_t> sync_ns_total{0};
  observe::Histogram sync;
};

class Writer {
 public:
  Writer(io::FileSystem& files, const base::Clock& clock, std::string directory,
         SegmentSet& segments, Reserve& reserve, const WriterOptions& options, WriterStart start);

  enum class Room {
    kYes,
    kGroupFull,  // Commit(), and ask again
    kNoSpace,    // no room for the segment that this record needs
  };
  // Whether the record may be appended now. Begins a new segment where it must.
  base::Result<Room> MakeRoom(size_t head_bytes, size_t body_bytes);
  // Only after kYes for these sizes. Keeps the views until Commit().
  Offset Append(const RecordHeader& header, std::string_view head, std::string_view body);
  // Writes and syncs what was appended. Nothing to do without records.
  base::Status Commit();
  // Marks the end as an orderly one. Only after Commit().
  base::Status Seal();

  bool pending() const { return durable_ != next_; }
  // Of the last sync, on the steady clock: when it ended and how long it took.
  int64_t synced_ns() const { return synced_ns_; }
  int64_t sync_ns() const { return sync_ns_; }
  int64_t syncs_ns() const { return syncs_ns_; }  // of all
  Offset next() const { return next_; }
  Offset durable() const { return durable_; }
  const Digest& chain() const { return chain_; }  // at next(), once committed
  // How much of the newest segment is used, and its size: when to make the next one ready.
  uint64_t position() const { return position_; }
  uint64_t segment_bytes() const { return segment_bytes_; }
  const WriterCounters& counters() const { return counters_; }

  // No group written with these options is longer.
  static uint64_t GroupBytesMax(const WriterOptions& options);
  // What every segment of this size keeps free for a seal, its index and its footer.
  static uint64_t ClosingBytes(uint64_t segment_bytes);

 private:
  FrameHeader At(FrameType type) const;  // the next frame of the group
  void FinishFrame();
  std::string_view Padding() const;
  base::Status WriteGroup(std::string_view padding = {});
  base::Status Close();
  base::Status Begin(uint64_t frame_bytes);  // kNoSpace: not begun
  base::Status Name(io::File& file, const SegmentHeader& header);

  io::FileSystem& files_;
  const base::Clock& clock_;
  const std::string directory_;
  SegmentSet& segments_;
  Reserve& reserve_;
  const WriterOptions options_;
  FrameBuilder builder_;
  PageWindow window_;

  std::shared_ptr<io::File> file_;
  uint64_t segment_bytes_ = 0;
  uint64_t position_ = 0;  // where the group begins
  uint64_t last_indexed_ = 0;
  Offset next_;
  Offset durable_;
  int64_t synced_ns_ = 0;
  int64_t sync_ns_ = 0;
  int64_t syncs_ns_ = 0;
  Digest chain_;
  std::string group_;  // its finished frames
  size_t group_records_ = 0;
  std::vector<IndexEntry> group_index_;
  WriterCounters counters_;
};

}  // namespace weir::journal

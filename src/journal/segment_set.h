// The segments of a journal, in order, and where in them a record may be found.
//
// Threads: any. The newest segment's file and index stay in memory; of the others at most
// `kOpenMax` are open at once, each with an index of at most kIndexEntriesMax entries (48 KiB).
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/file_system.h"
#include "journal/format.h"

namespace weir::journal {

class SegmentSet {
 public:
  static constexpr size_t kOpenMax = 16;

  struct Segment {
    Offset first;
    Offset end;  // of a closed segment; meaningless in the newest one while it is written
    uint64_t bytes = 0;
    bool closed = false;
  };

  SegmentSet(io::FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  // Adds the segment that follows all others. A closed one is opened when it is first read.
  void AddClosed(const Segment& segment);
  void AddNewest(const Segment& segment, std::shared_ptr<io::File> file,
                 std::vector<IndexEntry> index);
  // Of the newest segment.
  void AddIndexEntries(const std::vector<IndexEntry>& entries);
  std::vector<IndexEntry> NewestIndex() const;
  void CloseNewest(Offset end, uint64_t bytes);
  // True: the newest segment begins at `next`, so that it has no records, and it is forgotten.
  bool DropNewestIfEmpty(Offset next);
  // The oldest one, after it was archived. Its readers finish undisturbed.
  void RemoveOldest();

  // A position from which to walk the frames to the one that holds `offset`.
  struct Place {
    std::shared_ptr<io::File> file;
    uint64_t position = 0;
    Offset segment_first;
    Offset segment_end;   // Offset(UINT64_MAX) in a segment that is being written
    Offset next_indexed;  // the first offset after `offset` that has a place of its own
    std::string name;
  };
  // kNotFound below begin(). `offset` is below the journal's end.
  base::Result<Place> Find(Offset offset);

  Offset begin() const;  // Offset() without segments
  bool empty() const;
  std::vector<Segment> segments() const;
  uint64_t disk_bytes() const;
  std::string PathOf(Offset first) const { return io::JoinPath(directory_, SegmentName(first)); }

 private:
  struct Opened {
    Offset first;
    std::shared_ptr<io::File> file;
    std::shared_ptr<const std::vector<IndexEntry>> index;
  };
  static void Locate(const std::vector<IndexEntry>& index, Offset offset, Place* place);
  base::Result<Opened> OpenClosed(const Segment& segment);

  io::FileSystem& files_;
  const std::string directory_;
  mutable std::mutex mutex_;
  std::vector<Segment> segments_;
  std::shared_ptr<io::File> newest_file_;
  std::vector<IndexEntry> newest_index_;
  std::list<Opened> opened_;  // the one used last is in front
};

// The footer and the index of a closed segment, from the file's end. kCorruption: there is none.
struct SegmentEnd {
  FrameHeader footer;
  std::vector<IndexEntry> index;  // empty if its frame is damaged: then the walk is longer
};
base::Result<SegmentEnd> ReadSegmentEnd(const io::File& file);

}  // namespace weir::journal

// Reads records by offset. Nothing is served whose checksums do not hold.
//
// Threads: any. Memory: a cache of `cache_bytes_max` of decompressed batches, shared by all
// readers, so that several tasks in the same window read the disk once.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "base/result.h"
#include "journal/frame.h"
#include "journal/journal.h"
#include "journal/segment_set.h"

namespace weir::journal {

class Reader {
 public:
  Reader(SegmentSet& segments, size_t cache_bytes_max)
      : segments_(segments), cache_bytes_max_(cache_bytes_max) {}

  // As Journal::Read and Journal::ReadOne; `end` is the durable end.
  base::Status Read(Offset from, Offset end, size_t records_max, size_t bytes_max, Block* block);
  base::Result<Record> ReadOne(Offset offset, Offset end);

 private:
  using SharedBatch = std::shared_ptr<const Batch>;
  struct Cached {
    SharedBatch batch;
    Offset segment;
    std::list<uint64_t>::iterator recent;
  };

  // The batch that holds `offset`.
  base::Result<SharedBatch> Find(Offset offset, Offset end, size_t ahead_max);
  // From a frame's position on: the batch with `offset`; up to `ahead_max` more go to the cache.
  base::Result<SharedBatch> Walk(const SegmentSet::Place& place, Offset offset, Offset end,
                                 size_t ahead_max);

  SharedBatch FromCache(Offset offset);
  // Where the frame after the batch that ends at `offset` is, if that batch is in the cache.
  bool AfterCached(Offset offset, SegmentSet::Place* place);
  void Keep(const SharedBatch& batch, Offset segment);
  static size_t SizeOf(const Batch& batch);

  SegmentSet& segments_;
  const size_t cache_bytes_max_;
  std::mutex mutex_;
  std::map<uint64_t, Cached> cache_;  // by first offset
  std::list<uint64_t> recent_;        // first offsets, the one used last in front
  size_t cache_bytes_ = 0;
};

}  // namespace weir::journal

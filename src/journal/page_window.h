// Bounds the memory in which the system keeps what was written to the journal.
//
// Tasks read what was written last, and find it in memory. What lies further back is read rarely
// and in order, so the disk gives it quickly; kept, it would push out what is looked up at random
// (the index of keys, the store), and every page of it is one more that the system must find.
//
// Threads: one. An archived segment's file is held, and its space on the disk with it, until as
// much has been written after it, or kFilesMax further segments have begun.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "io/file_system.h"

namespace weir::journal {

class PageWindow {
 public:
  // Memory is given back in pieces, soon enough to be used again for what is written next.
  static constexpr uint64_t kPieceBytes = 256u << 10;
  // 8 GiB of segments of the usual size; more descriptors would be taken from connections.
  static constexpr size_t kFilesMax = 64;

  explicit PageWindow(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // The bytes from where the last call ended, or from `file`'s begin, to `end` are durable.
  void Written(const std::shared_ptr<io::File>& file, uint64_t end);

 private:
  struct Span {
    std::shared_ptr<io::File> file;
    uint64_t from = 0;
    uint64_t end = 0;
  };

  const uint64_t bytes_max_;
  std::deque<Span> spans_;  // in the order in which they were written; the last one grows
  uint64_t bytes_ = 0;
};

}  // namespace weir::journal

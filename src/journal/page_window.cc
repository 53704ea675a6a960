#include "journal/page_window.h"

#include <algorithm>

namespace weir::journal {

void PageWindow::Written(const std::shared_ptr<io::File>& file, uint64_t end) {
  if (spans_.empty() || spans_.back().file != file) spans_.push_back({file, 0, 0});
  bytes_ += end - spans_.back().end;
  spans_.back().end = end;
  while (spans_.size() > kFilesMax ||
         (bytes_ >= kPieceBytes && bytes_ - kPieceBytes >= bytes_max_)) {
    Span& oldest = spans_.front();
    const uint64_t piece = std::min(kPieceBytes, oldest.end - oldest.from);
    // Memory that is not given back does no harm.
    (void)oldest.file->ForgetCached(oldest.from, piece);
    oldest.from += piece;
    bytes_ -= piece;
    if (oldest.from == oldest.end && spans_.size() > 1) spans_.pop_front();
  }
}

}  // namespace weir::journal

#include "tools/surge/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "tools/surge/figures.h"

namespace weir::surge {
namespace {
constexpr size_t kWidth = 30;
}

ProgressBar::ProgressBar() : shown_(isatty(STDERR_FILENO) == 1) {}

void ProgressBar::Draw(std::string_view what, uint64_t done, uint64_t total,
                       std::string_view note) {
  if (!shown_) return;
  std::string line = "\r\x1b[K";
  line.append(what).append(" ");
  if (total > 0) {
    const size_t filled = static_cast<size_t>(static_cast<double>(std::min(done, total)) /
                                              static_cast<double>(total) * kWidth);
    line.append("[").append(filled, '#').append(kWidth - filled, ' ').append("] ");
    line.append(WithCommas(done)).append("/").append(WithCommas(total));
  } else {
    line.append(WithCommas(done));
  }
  line.append("  ").append(note);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressBar::Clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace weir::surge

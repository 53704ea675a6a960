// One line on a terminal, drawn over itself; nothing at all where stderr is not one.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::surge {

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { Clear(); }

  bool shown() const { return shown_; }
  // `total` 0: unknown, no bar, only the note.
  void Draw(std::string_view what, uint64_t done, uint64_t total, std::string_view note);
  void Clear();

 private:
  const bool shown_;
  bool drawn_ = false;
};

}  // namespace weir::surge

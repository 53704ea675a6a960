// Whether a study holds less than an equal share of what is in flight.
//
// Studies are told apart by a hash, in a fixed number of cells: two that meet in one share a share.
// Threads: the owner serialises calls. Memory: fixed. No call allocates.
#pragma once

#include <array>
#include <cstdint>

namespace weir::guard {

class FairShare {
 public:
  static constexpr uint32_t kCells = 1024;
  static uint32_t CellOf(uint64_t hash) { return static_cast<uint32_t>(hash % kCells); }

  void Enter(uint32_t cell) {
    if (held_[cell]++ == 0) ++active_;
    ++total_;
  }
  void Leave(uint32_t cell) {
    if (--held_[cell] == 0) --active_;
    --total_;
  }
  // With what it would hold after one more: at most total ÷ studies that hold anything.
  bool Below(uint32_t cell) const {
    const int64_t held = held_[cell];
    const int64_t studies = active_ + (held == 0 ? 1 : 0);
    return (held + 1) * studies <= total_;
  }
  int64_t total() const { return total_; }

 private:
  std::array<int32_t, kCells> held_{};
  int64_t active_ = 0;
  int64_t total_ = 0;
};

}  // namespace weir::guard

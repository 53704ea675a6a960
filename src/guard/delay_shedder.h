// Sheds what a server cannot take in time: the processors' half of the default shedder.
//
// The measure is how long what has become ready waits for its turn. While even the shortest wait of
// the last 100 ms is above the target, the queue stands and does not drain by itself; the share of
// all arrivals that is to be shed follows that wait by a proportional-integral rule, as in PIE
// (RFC 8033, section 4.2; gains of our own, for arrivals that do not slow down by themselves, see
// docs/guard.md). The share is taken from the least critical arrivals first: it is all of the
// exports before it is any of the reads. What is worth more than `last` is never shed.
//
// Times are steady nanoseconds and randomness is an argument. Threads: the owner serialises calls.
// Memory: fixed. No call allocates.
#pragma once

#include <array>
#include <cstdint>

#include "guard/criticality.h"

namespace weir::guard {

// The order in which arrivals are spared. A study that holds less than its share of what is in
// flight goes before the others' reports, so that one study's herd does not starve another's.
enum class Rank : uint8_t { kUrgent, kSmallStudy, kReport, kMetric, kRead, kExport };
inline constexpr size_t kRanks = 6;

class DelayShedder {
 public:
  // `last`: the most critical rank that it sheds; not kUrgent.
  DelayShedder(Rank last, int64_t now_ns);

  // A wait was measured. More than `target_ns` is too long.
  void Measured(int64_t wait_ns, int64_t target_ns, int64_t now_ns);
  // One arrival; false: shed it. `draw` is uniform in [0, 1).
  bool Allow(Rank rank, double draw);

  double share() const { return share_; }  // of all arrivals
  // The probability with which an arrival of this rank is shed.
  double probability(Rank rank) const { return probability_[static_cast<size_t>(rank)]; }

 private:
  static constexpr size_t kWaits = 10;

  // The shortest wait of the last 100 ms.
  int64_t Standing(int64_t now_ns) const;
  void Spread();

  const Rank last_;
  struct Wait {
    int64_t at_ns = INT64_MIN / 2;
    int64_t wait_ns = 0;
  };
  std::array<Wait, kWaits> waits_{};  // a ring
  size_t next_wait_ = 0;
  int64_t measured_ns_;
  double last_s_ = 0;  // the standing wait then
  double share_ = 0;
  // Arrivals by rank, in the half second being counted and the one before.
  int64_t counting_since_ns_;
  std::array<int64_t, kRanks> counting_{};
  std::array<int64_t, kRanks> counted_{};
  std::array<double, kRanks> probability_{};
};

}  // namespace weir::guard

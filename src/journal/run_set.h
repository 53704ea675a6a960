// One version of what the runs hold, immutable, and the place where the newest version is found.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "journal/admission.h"
#include "journal/run_file.h"

namespace weir::journal {

// Holds every keyed record below covered().end, and none at or above it. An entry may be in two of
// its runs while they are merged.
class RunSet {
 public:
  // `covered.begin` is 0. Runs in any order.
  RunSet(const RunRange& covered, std::vector<Run> runs);

  const RunRange& covered() const { return covered_; }
  const std::vector<Run>& runs() const { return runs_; }
  size_t memory_bytes() const;

  bool MayContain(const Key& key) const;
  void Prefetch(const Key& key) const;  // for a MayContain() that follows
  // Appends the bodies under the key, in order of offset, each once.
  base::Status Find(const Key& key, std::vector<KnownBody>* bodies) const;

 private:
  // visit(run, slice), both as numbers, for each slice that may hold the key by its range, until
  // one returns true.
  template <class Visit>
  bool AnySlice(const Key& key, Visit visit) const;

  RunRange covered_;
  std::vector<Run> runs_;
  // Of all slices of all runs, side by side, so that a look-up touches little: first keys and
  // filters.
  std::vector<uint64_t> firsts_;
  std::vector<FilterView> filters_;
  struct Range {
    size_t begin;  // of the run's slices in the two above
    size_t end;
    double slices_per_prefix;  // slices divided by the prefixes from the first one on
  };
  std::vector<Range> ranges_;  // by run
};

// In order of offset, each offset once.
void SortByOffset(std::vector<KnownBody>* bodies);

// The newest RunSet. Readers hold one of sixteen locks, chosen by thread, so that they neither wait
// for one another nor pass a counter around between processors; a writer takes all sixteen.
class RunSetHolder {
 public:
  // Calls use(set) while this thread's lock is held: for look-ups in memory only.
  template <class Use>
  auto With(Use use) const {
    const std::lock_guard lock(ThisThreadsStripe());
    return use(*set_);
  }
  std::shared_ptr<const RunSet> Get() const {
    const std::lock_guard lock(ThisThreadsStripe());
    return set_;
  }
  void Set(std::shared_ptr<const RunSet> set);

 private:
  struct alignas(64) Stripe {
    std::mutex mutex;
  };
  std::mutex& ThisThreadsStripe() const;

  mutable std::array<Stripe, 16> stripes_;
  // Shared: look-ups on the disk outlive the version that they began with.
  std::shared_ptr<const RunSet> set_;
};

}  // namespace weir::journal

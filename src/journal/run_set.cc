#include "journal/run_set.h"

#include <algorithm>
#include <atomic>

namespace weir::journal {
namespace {

constexpr double kPrefixes = 18446744073709551616.0;  // 2^64

}  // namespace

RunSet::RunSet(const RunRange& covered, std::vector<Run> runs)
    : covered_(covered), runs_(std::move(runs)) {
  for (const Run& run : runs_) {
    Range range{firsts_.size(), 0, 0};
    for (const auto& slice : run.slices) {
      firsts_.push_back(KeyPrefix(slice->first));
      filters_.push_back(slice->filter.view());
    }
    range.end = firsts_.size();
    if (range.begin < range.end) {
      const double prefixes = kPrefixes - static_cast<double>(firsts_[range.begin]);
      range.slices_per_prefix =
          static_cast<double>(range.end - range.begin) / std::max(prefixes, 1.0);
    }
    ranges_.push_back(range);
  }
}

size_t RunSet::memory_bytes() const {
  size_t bytes = sizeof(RunSet) + runs_.capacity() * sizeof(Run) +
                 ranges_.capacity() * sizeof(Range) + firsts_.capacity() * sizeof(uint64_t) +
                 filters_.capacity() * sizeof(FilterView);
  for (const Run& run : runs_) {
    bytes += sizeof(RunFile) + run.slices.capacity() * sizeof(run.slices[0]);
    for (const auto& slice : run.slices) bytes += slice->memory_bytes();
  }
  return bytes;
}

template <class Visit>
bool RunSet::AnySlice(const Key& key, Visit visit) const {
  const uint64_t prefix = KeyPrefix(key);
  for (size_t run = 0; run < ranges_.size(); ++run) {
    const auto& [begin, end, slices_per_prefix] = ranges_[run];
    if (begin == end || prefix < firsts_[begin]) continue;
    // The last slice that begins at or before the key. Keys are uniform, so the guess is nearly
    // always right, and unlike a binary search it costs no mispredicted branch.
    const double from_first = static_cast<double>(prefix - firsts_[begin]);
    size_t slice =
        begin + std::min(static_cast<size_t>(from_first * slices_per_prefix), end - begin - 1);
    while (firsts_[slice] > prefix) --slice;
    while (slice + 1 < end && firsts_[slice + 1] <= prefix) ++slice;
    for (;; --slice) {
      if (visit(run, slice - begin)) return true;
      // Where its first key has the same prefix, the key may be in the slice before it.
      if (slice == begin || firsts_[slice] != prefix) break;
    }
  }
  return false;
}

bool RunSet::MayContain(const Key& key) const {
  return AnySlice(key, [&](size_t run, size_t slice) {
    return filters_[ranges_[run].begin + slice].MayContain(key);
  });
}

void RunSet::Prefetch(const Key& key) const {
  AnySlice(key, [&](size_t run, size_t slice) {
    filters_[ranges_[run].begin + slice].Prefetch(key);
    return false;
  });
}

base::Status RunSet::Find(const Key& key, std::vector<KnownBody>* bodies) const {
  base::Status status;
  AnySlice(key, [&](size_t run, size_t slice) {
    if (!filters_[ranges_[run].begin + slice].MayContain(key)) return false;
    status = runs_[run].file->FindIn(*runs_[run].slices[slice], key, bodies);
    return !status;
  });
  WEIR_RETURN_IF_ERROR(std::move(status));
  SortByOffset(bodies);
  return {};
}

void SortByOffset(std::vector<KnownBody>* bodies) {
  std::sort(bodies->begin(), bodies->end(),
            [](const KnownBody& a, const KnownBody& b) { return a.offset < b.offset; });
  const auto same = [](const KnownBody& a, const KnownBody& b) { return a.offset == b.offset; };
  bodies->erase(std::unique(bodies->begin(), bodies->end(), same), bodies->end());
}

void RunSetHolder::Set(std::shared_ptr<const RunSet> set) {
  for (Stripe& stripe : stripes_) stripe.mutex.lock();
  set_.swap(set);
  for (Stripe& stripe : stripes_) stripe.mutex.unlock();
  // The old version, and what only it held, is freed here, outside the locks.
}

std::mutex& RunSetHolder::ThisThreadsStripe() const {
  static std::atomic<size_t> threads{0};
  thread_local const size_t thread = threads.fetch_add(1, std::memory_order_relaxed);
  return stripes_[thread % stripes_.size()].mutex;
}

}  // namespace weir::journal

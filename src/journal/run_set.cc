#include "journal/run_set.h"

#include <algorithm>
#include <atomic>

namespace weir::journal {

RunSet::RunSet(const RunRange& covered, std::vector<Run> runs)
    : covered_(covered), runs_(std::move(runs)) {
  for (const Run& run : runs_) {
    for (const auto& slice : run.slices) {
      firsts_.push_back(KeyPrefix(slice->first));
      filters_.push_back(slice->filter.view());
    }
    ends_.push_back(firsts_.size());
  }
}

size_t RunSet::memory_bytes() const {
  size_t bytes = sizeof(RunSet) + runs_.capacity() * sizeof(Run) +
                 ends_.capacity() * sizeof(size_t) + firsts_.capacity() * sizeof(uint64_t) +
                 filters_.capacity() * sizeof(FilterView);
  for (const Run& run : runs_) {
    bytes += sizeof(RunFile) + run.slices.capacity() * sizeof(run.slices[0]);
    for (const auto& slice : run.slices) bytes += slice->memory_bytes();
  }
  return bytes;
}

// visit(run, slice), both as numbers, for each slice whose filter may hold the key, until one returns
// true.
template <class Visit>
bool RunSet::AnySlice(const Key& key, Visit visit) const {
  const uint64_t prefix = KeyPrefix(key);
  size_t begin = 0;
  for (size_t run = 0; run < ends_.size(); begin = ends_[run++]) {
    const auto first = firsts_.begin() + static_cast<ptrdiff_t>(begin);
    const auto last = firsts_.begin() + static_cast<ptrdiff_t>(ends_[run]);
    auto slice = last - first == 1 ? last : std::upper_bound(first, last, prefix);
    // The last slice that begins at or before the key; and, where its first key shares the prefix, the
    // ones before it too.
    while (slice != first) {
      --slice;
      const auto number = static_cast<size_t>(slice - firsts_.begin());
      if (filters_[number].MayContain(key) && visit(run, number - begin)) return true;
      if (*slice != prefix) break;
    }
  }
  return false;
}

bool RunSet::MayContain(const Key& key) const {
  return AnySlice(key, [](size_t, size_t) { return true; });
}

base::Status RunSet::Find(const Key& key, std::vector<KnownBody>* bodies) const {
  base::Status status;
  AnySlice(key, [&](size_t run, size_t slice) {
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

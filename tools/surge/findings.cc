#include "tools/surge/findings.h"

namespace weir::surge {

std::string_view Name(Finding finding) {
  switch (finding) {
    case Finding::kMissing:
      return "missing";
    case Finding::kDoubled:
      return "doubled";
    case Finding::kDifferent:
      return "different";
    case Finding::kNotApplied:
      return "not applied";
    case Finding::kAlertMissing:
      return "alert missing";
    case Finding::kAlertDoubled:
      return "alert doubled";
    case Finding::kAlertUnexpected:
      return "alert unexpected";
    case Finding::kRefused:
      return "refused";
    case Finding::kUnacknowledged:
      return "unacknowledged";
    case Finding::kUnusable:
      return "unusable answer";
  }
  return "unknown";
}

void Findings::Add(Finding finding, std::string example) {
  const std::lock_guard lock(mutex_);
  Sort& sort = sorts_[static_cast<size_t>(finding)];
  ++sort.count;
  if (sort.examples.size() < kExamples) sort.examples.push_back(std::move(example));
}

uint64_t Findings::count(Finding finding) const {
  const std::lock_guard lock(mutex_);
  return sorts_[static_cast<size_t>(finding)].count;
}

uint64_t Findings::total() const {
  const std::lock_guard lock(mutex_);
  uint64_t total = 0;
  for (const Sort& sort : sorts_) total += sort.count;
  return total;
}

std::vector<std::string> Findings::examples(Finding finding) const {
  const std::lock_guard lock(mutex_);
  return sorts_[static_cast<size_t>(finding)].examples;
}

}  // namespace weir::surge

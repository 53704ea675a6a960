// What was found to be not as it should be: all counted, the first few of each sort described.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace weir::surge {

enum class Finding : uint8_t {
  kMissing,          // acknowledged, and not there
  kDoubled,          // two reports share an offset, a report has two, or it was counted twice
  kDifferent,        // kept, but not as it was sent
  kNotApplied,       // a task has not applied it in the time allowed, or quarantined it
  kAlertMissing,     // a report that must raise an alert raised none
  kAlertDoubled,     // it raised more than one
  kAlertUnexpected,  // a report without risk raised an alert, or its level is wrong
  kRefused,          // the server answered that it will not take the report
  kUnacknowledged,   // sent again and again until its time was up
  kUnusable,         // an answer that no client could use
};
inline constexpr size_t kFindingSorts = 10;

// "missing", "alert doubled", …
std::string_view Name(Finding finding);

// Any thread.
class Findings {
 public:
  static constexpr size_t kExamples = 5;  // of each sort

  void Add(Finding finding, std::string example);
  uint64_t count(Finding finding) const;
  uint64_t total() const;
  std::vector<std::string> examples(Finding finding) const;

 private:
  struct Sort {
    uint64_t count = 0;
    std::vector<std::string> examples;
  };
  mutable std::mutex mutex_;
  std::array<Sort, kFindingSorts> sorts_;
};

}  // namespace weir::surge

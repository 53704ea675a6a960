// Over how long those who were refused should come back, so that there is room for them: a herd
// that is refused together and told the same time would come back together.
//
// Pure: counts and time are passed in. One per loop and class. Memory: fixed.
#pragma once

#include <cstdint>

namespace weir::guard {

class RetrySpread {
 public:
  static constexpr int kLeastSeconds = 2;
  static constexpr int kMostSeconds = 9;

  // Call it at each refusal. `admitted` and `refused` are counts that only grow. As many seconds as
  // were refused for each one that was admitted within the last second or so: at that pace they
  // are worked off.
  int Seconds(uint64_t admitted, uint64_t refused, int64_t now_ns);

 private:
  struct Look {
    int64_t at_ns = 0;
    uint64_t admitted = 0;
    uint64_t refused = 0;
  };
  Look older_, newer_;
};

}  // namespace weir::guard

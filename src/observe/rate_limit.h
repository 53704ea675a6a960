// How many lines of one event may be written: a token bucket for each event.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace weir::observe {

// Any thread. Events are literals of the source, so there are as many buckets as the program has
// events; should there ever be more than kEventsMax, the rest share one.
class RateLimit {
 public:
  RateLimit(unsigned burst, double per_second) : burst_(burst), per_second_(per_second) {}

  // Nothing: not now. Otherwise how many of this event were held back since its last line.
  std::optional<uint64_t> Take(std::string_view event, int64_t now_ns);
  uint64_t suppressed() const;

 private:
  static constexpr size_t kEventsMax = 1024;
  struct Bucket {
    double tokens;
    int64_t filled_ns;
    uint64_t held_back;
  };
  const double burst_;
  const double per_second_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string_view, Bucket> buckets_;
  uint64_t suppressed_ = 0;
};

}  // namespace weir::observe

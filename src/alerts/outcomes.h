// How deliveries ended, on the way into the journal. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "alerts/target_queue.h"
#include "base/clock.h"
#include "journal/journal.h"
#include "observe/log.h"

namespace weir::alerts {

enum class Ending : uint8_t { kDelivered, kRejected, kGivenUp };

struct EndedDelivery {
  PendingDelivery delivery;
  std::string target;
  Ending ending = Ending::kDelivered;
  uint16_t status = 0;  // last HTTP status; 0: none
  std::string detail;
};

class Outcomes {
 public:
  // Everything given must outlive it.
  Outcomes(journal::Journal& journal, const base::Clock& clock, observe::Log& log)
      : journal_(journal), clock_(clock), log_(log) {}

  void Add(EndedDelivery ended) { waiting_.push_back(std::move(ended)); }
  // Journals what waits, in order, until the journal has no space; then again from next_ns() on.
  void Write();

  bool empty() const { return waiting_.empty(); }
  int64_t next_ns() const { return not_before_ns_; }
  bool stopped() const { return stopped_; }  // the journal takes nothing any more

  // Journalled so far, by how they ended.
  uint64_t count(Ending ending) const { return counts_[static_cast<size_t>(ending)]; }
  uint64_t delivered_to(const std::string& target) const;

 private:
  void Count(const EndedDelivery& ended);

  journal::Journal& journal_;
  const base::Clock& clock_;
  observe::Log& log_;
  std::deque<EndedDelivery> waiting_;
  int64_t not_before_ns_ = 0;
  bool stopped_ = false;
  uint64_t counts_[3] = {};
  std::map<std::string, uint64_t> delivered_;  // by target
};

}  // namespace weir::alerts

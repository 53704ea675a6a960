// What became of each report, by its index: 23 bytes each.
//
// Threads: the receipts of an index are written by the one worker that sends it, the alerts by the
// one thread that follows the stream; everything may be read once those have been joined.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace weir::surge {

class Ledger {
 public:
  static constexpr uint64_t kNoOffset = UINT64_MAX;

  // `start_ns`: times are kept relative to it, steady clock, in steps of 10 µs (for 11 hours).
  Ledger(uint64_t reports, int64_t start_ns)
      : start_ns_(start_ns),
        offsets_(reports, kNoOffset),
        acknowledged_at_(reports),
        alerted_at_(reports),
        alert_ids_(reports),
        accepted_(reports),
        streamed_(reports),
        listed_(reports) {}

  uint64_t size() const { return offsets_.size(); }

  // An acknowledgement with a receipt. `accepted`: with 202, as the first of its kind.
  enum class Noted { kFirst, kAgain, kOtherOffset, kAcceptedTwice };
  Noted Acknowledge(uint64_t index, uint64_t offset, bool accepted, int64_t now_ns) {
    const bool accepted_before = accepted_[index];
    if (accepted) accepted_[index] = 1;
    if (offsets_[index] == kNoOffset) {
      offsets_[index] = offset;
      acknowledged_at_[index] = Ticks(now_ns);
      return Noted::kFirst;
    }
    if (offsets_[index] != offset) return Noted::kOtherOffset;
    return accepted && accepted_before ? Noted::kAcceptedTwice : Noted::kAgain;
  }
  bool acknowledged(uint64_t index) const { return offsets_[index] != kNoOffset; }
  uint64_t offset(uint64_t index) const { return offsets_[index]; }
  const std::vector<uint64_t>& offsets() const { return offsets_; }

  // An event on the stream of alerts. The stream may repeat itself; only another alert counts.
  void Stream(uint64_t index, std::string_view alert_id, int64_t now_ns) {
    if (streamed_[index] == 0) alerted_at_[index] = Ticks(now_ns);
    CountAlert(index, alert_id, streamed_[index]);
  }
  unsigned streamed(uint64_t index) const { return streamed_[index]; }

  // An entry of the list of alerts, where nothing may be repeated.
  void List(uint64_t index) {
    if (listed_[index] < UINT8_MAX) ++listed_[index];
  }
  unsigned listed(uint64_t index) const { return listed_[index]; }

  // From acknowledgement to event, for a report that has both; an event may overtake the answer.
  int64_t AlertLatencyNs(uint64_t index) const {
    return (int64_t{alerted_at_[index]} - int64_t{acknowledged_at_[index]}) * kTickNs;
  }

 private:
  static constexpr int64_t kTickNs = 10'000;
  uint32_t Ticks(int64_t now_ns) const {
    const int64_t ticks = (now_ns - start_ns_) / kTickNs;
    return ticks < 0 ? 0 : ticks > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(ticks);
  }

  void CountAlert(uint64_t index, std::string_view alert_id, uint8_t& count) {
    const auto id = static_cast<uint32_t>(std::hash<std::string_view>()(alert_id));
    if (count > 0 && alert_ids_[index] == id) return;
    alert_ids_[index] = id;
    if (count < UINT8_MAX) ++count;
  }

  int64_t start_ns_;
  std::vector<uint64_t> offsets_;
  std::vector<uint32_t> acknowledged_at_;
  std::vector<uint32_t> alerted_at_;
  std::vector<uint32_t> alert_ids_;  // hashes
  std::vector<uint8_t> accepted_;
  std::vector<uint8_t> streamed_;
  std::vector<uint8_t> listed_;
};

}  // namespace weir::surge

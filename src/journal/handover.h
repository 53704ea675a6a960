// A batch of records on its way from one producer to the journal and back with the outcomes.
//
// The producer (a loop of the server, a task) fills a Handover, gives it to Journal::Submit(), and
// gets the same object back through its HandoverSink: one object, one wake-up, no allocation per
// record once it has grown to its size. Records keep their order.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "journal/admission.h"
#include "journal/record.h"

namespace weir::journal {

class Handover;

enum class Outcome : uint8_t {
  kPending,
  kStored,            // durable, at `offset`
  kDuplicate,         // was stored before, at `offset`, and that is durable
  kConflict,          // other bytes under a known key: stored as a conflict at `offset`, durable
  kRepeatedConflict,  // a conflict stored before, at `offset`
  kConflictLimit,     // other bytes, not stored: the key holds all it may; `offset`: the first body
  kProbeAgain,        // look the key up again and hand over anew; nothing was stored
  kNoSpace,           // no room for a segment; nothing was stored; send again later
  kStopped,           // the journal failed or stopped; whether it was stored, recovery decides
};

class HandoverSink {
 public:
  virtual ~HandoverSink() = default;
  // Journal thread (or the caller of Submit(), when the journal has stopped): must only pass the
  // batch on to its owner. `last` is false while more of this sync's batches for the same sink
  // follow, so that one wake-up serves them all.
  virtual void Completed(std::unique_ptr<Handover> batch, bool last) noexcept = 0;
};

class Handover {
 public:
  struct Item {
    uint64_t ticket = 0;  // the producer's, untouched
    Outcome outcome = Outcome::kPending;
    Offset offset;
    RecordHeader header;
    Probe probe;
    uint32_t at = 0;  // head, then body, in bytes()
    uint32_t head_size = 0;
    uint32_t body_size = 0;
  };

  explicit Handover(HandoverSink* sink) : sink_(sink) {}

  // Copies head and body: at most kHeadBytesMax and kBodyBytesMax (format.h: 64 KiB and 16 MiB).
  void Add(const RecordHeader& header, std::string_view head, std::string_view body, Probe probe,
           uint64_t ticket);
  void Clear();  // keeps capacity

  std::span<Item> items() { return items_; }
  std::span<const Item> items() const { return items_; }
  std::string_view head(const Item& item) const {
    return {bytes_.data() + item.at, item.head_size};
  }
  std::string_view body(const Item& item) const {
    return {bytes_.data() + item.at + item.head_size, item.body_size};
  }
  size_t bytes() const { return bytes_.size(); }
  bool empty() const { return items_.empty(); }

  // On the steady clock: when the producer began it, which is the producer's to set; when the sync
  // that completed it ended, and how long that took (0: there was nothing to sync).
  int64_t begun_ns = 0;
  int64_t completed_ns = 0;
  int64_t sync_ns = 0;
  int64_t syncs_ns = 0;  // how long all syncs took so far

  HandoverSink* sink() const { return sink_; }

 private:
  HandoverSink* sink_;
  std::vector<Item> items_;
  std::string bytes_;
};

}  // namespace weir::journal

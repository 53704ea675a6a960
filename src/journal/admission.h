// The admission hook: decides for each record, in the journal's order, whether it is new, a repeat
// of one already stored, or another body under a known key. KeyIndex (key_index.h) implements it.
#pragma once

#include <cstdint>
#include <vector>

#include "journal/record.h"

namespace weir::journal {

// One body known under a key.
struct KnownBody {
  Digest sha256;
  Offset offset;
  bool conflicting = false;  // not the first body under its key
};

// What the older, immutable part of the index knows of a key, looked up before the hand-over by the
// producer. `version` is that part's version at the time of the look-up.
struct Probe {
  uint64_t version = 0;
  std::vector<KnownBody> bodies;  // empty for a key never seen: no allocation
};

enum class Verdict : uint8_t {
  kAppend,             // new: append
  kAppendConflicting,  // other bytes under a known key, never seen: append with kConflicting
  kDuplicate,          // these bytes are stored already, as the first under their key
  kRepeatedConflict,   // these bytes are stored already, as a conflict
  kConflictLimit,      // other bytes, and the key holds all the conflicts it may: not appended
  kProbeAgain,         // the probe is older than what memory still covers: look up again
  kIndexFull,          // new, but the index may not grow until its files can be written again (the
                       // disk is full): not appended; the writer answers kNoSpace
};

struct Admitted {
  Verdict verdict = Verdict::kAppend;
  // Of the stored record (kDuplicate: the first body; kRepeatedConflict: that conflict;
  // kConflictLimit: the first body). `next` otherwise.
  Offset offset;
};

class Admission {
 public:
  virtual ~Admission() = default;

  // Journal thread only, in order; memory only, never the disk. `next` is the offset that the
  // record gets if it is appended; the key is remembered as of this call. A key that is none() is
  // always kAppend.
  virtual Admitted Admit(const Key& key, const Digest& sha256, const Probe& probe, Offset next) = 0;

  // Journal thread: a hint that Admit() of this key comes soon; changes nothing.
  virtual void Prefetch(const Key&) const {}

  // Journal thread: everything below `end` is durable, and the chain value there is `chain`. Every
  // record admitted so far lies below `end`.
  virtual void Durable(Offset end, const Digest& chain) = 0;
};

}  // namespace weir::journal

// What the journal knows of a record: bytes, a key, a hash. What they mean is src/wire's affair.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/offset.h"
#include "base/sha256.h"

namespace weir::journal {

using base::Digest;
using base::Offset;

// The identity under which a record may be stored once: the first 16 bytes of a SHA-256 over what
// names it. All zero: the record has no identity and is always appended.
struct Key {
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const Key&) const = default;
  bool none() const { return *this == Key{}; }
};

// SHA-256 of the parts, each preceded by its length, so that no two lists of parts collide.
Key MakeKey(std::string_view domain, std::string_view first, std::string_view second = {});

// Stored with the record. Bits not named here are zero.
enum RecordFlags : uint8_t {
  // Listed in the control index (control_index.h): found without reading what lies between.
  kControl = 1,
  // Triage found it urgent; always with kControl.
  kUrgent = 2,
  // Another body under a key that was already taken. Set by the journal itself.
  kConflicting = 4,
};

struct RecordHeader {
  uint16_t kind = 0;  // src/wire/kinds.h; the journal stores it and lists it, nothing else
  uint8_t flags = 0;
  int64_t time_ms = 0;  // when the record was received, wall time
  Key key;
  Digest sha256;  // of the body, as it was sent
};

// Points into the block it was read from, or into the caller's buffers.
struct RecordView : RecordHeader {
  Offset offset;
  std::string_view head;  // src/wire's envelope; at most 64 KiB
  std::string_view body;
};

// An owning copy.
struct Record : RecordHeader {
  Offset offset;
  std::string head;
  std::string body;
  RecordView view() const { return {{*this}, offset, head, body}; }
};

}  // namespace weir::journal

// A person takes an alert on: with a note, once, and for good.
#pragma once

#include <cstddef>
#include <string_view>

#include "alerts/alert.h"
#include "base/clock.h"
#include "base/result.h"
#include "journal/journal.h"
#include "store/database.h"

namespace weir::alerts {

inline constexpr size_t kNoteBytesMax = 4096;

struct Acknowledged {
  Alert alert;           // with its acknowledgement, whether the store has it yet or not
  bool already = false;  // somebody had done it before: alert.acknowledgement says who
};

struct AcknowledgeRequest {
  StudyScope scope;        // of who asks
  std::string_view id;     // "a-12"
  std::string_view actor;  // the token's name
  std::string_view note;   // required, at most kNoteBytesMax
};

// Returns once the acknowledgement is durable; the control lane applies it to the inbox soon after.
// Blocks on store and journal: for helper threads, each with its own reader.
// Errors: kInvalidArgument says what is wrong with the note; kNotFound: no such alert in scope;
// kNoSpace, kUnavailable, kStopped: not acknowledged, or not known to be, and safe to send again.
base::Result<Acknowledged> Acknowledge(journal::Journal& journal, store::Connection& reader,
                                       const base::Clock& clock, const AcknowledgeRequest& request);

}  // namespace weir::alerts

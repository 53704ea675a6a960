// Journals what happened to an alert: records that the control lane applies to the inbox.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "journal/journal.h"
#include "wire/envelope.h"

namespace weir::alerts {

// Each waits until the record is durable, and so runs on no loop. A second record of the same kind
// for the same alert (stage and target) is kDuplicate, and the first one counts.
journal::Journal::Appended AppendAction(journal::Journal& journal, wire::Kind kind,
                                        const wire::AlertActionHead& head, int64_t time_ms);
journal::Journal::Appended AppendDelivery(journal::Journal& journal, const wire::DeliveryHead& head,
                                          int64_t time_ms);

// Whether the record is in the journal now, by this call or by an earlier one.
bool IsStored(journal::Outcome outcome);

}  // namespace weir::alerts

// What a record's head says, for people.
#pragma once

#include "base/json_writer.h"
#include "journal/record.h"

namespace weir::app {

// Writes the members of the head as docs/formats/records.md names them, without those that are
// empty; "unreadable", with the reason, where it is not what its kind has. Holds ids of patients
// and reports, and notes.
void WriteHead(base::JsonWriter& json, const journal::RecordView& record);

}  // namespace weir::app

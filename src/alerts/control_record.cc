#include "alerts/control_record.h"

namespace weir::alerts {

using journal::Outcome;

namespace {

journal::Journal::Appended Append(journal::Journal& journal, wire::Kind kind,
                                  const journal::Key& key, std::string_view head, int64_t time_ms) {
  journal::RecordHeader header;
  header.kind = static_cast<uint16_t>(kind);
  header.flags = journal::kControl;
  header.time_ms = time_ms;
  header.key = key;
  header.sha256 = base::Sha256(std::string_view());
  return journal.AppendAndWait(header, head, {});
}

}  // namespace

journal::Journal::Appended AppendAction(journal::Journal& journal, wire::Kind kind,
                                        const wire::AlertActionHead& head, int64_t time_ms) {
  return Append(journal, kind, wire::AlertActionKey(kind, head.report), wire::Encode(head),
                time_ms);
}

journal::Journal::Appended AppendDelivery(journal::Journal& journal, const wire::DeliveryHead& head,
                                          int64_t time_ms) {
  return Append(journal, wire::Kind::kDelivery,
                wire::DeliveryKey(head.report, head.stage, head.target), wire::Encode(head),
                time_ms);
}

bool IsStored(Outcome outcome) {
  // The bodies are empty, so the last two cannot be; both would mean that a first record exists.
  return outcome == Outcome::kStored || outcome == Outcome::kDuplicate ||
         outcome == Outcome::kConflict || outcome == Outcome::kRepeatedConflict;
}

}  // namespace weir::alerts

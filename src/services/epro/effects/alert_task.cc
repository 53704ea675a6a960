#include "services/epro/effects/alert_task.h"

#include <algorithm>
#include <utility>

namespace weir::epro {

using base::Status;
using clinical::Level;

Status AlertTask::Open(store::Connection& connection) {
  connection_ = &connection;
  return heads_.Open(connection);
}

void AlertTask::Discard() {
  scored_.clear();
  if (std::exchange(flushing_, false)) heads_.Forget();
}

void AlertTask::RolledBack() {
  Discard();
  heads_.Forget();
}

Status AlertTask::Raise(Offset offset, int64_t time_ms, const Reading& reading, Level level,
                        std::string_view reason) {
  const wire::ReportHead& head = reading.head;
  alerts::NewAlert alert;
  alert.report = offset;
  alert.study_id = head.study_id;
  alert.site_id = head.site_id;
  alert.patient_id = head.patient_id;
  alert.report_id = head.report_id;
  alert.doctor_id = head.doctor_id;
  alert.trace_id = head.trace_id;
  alert.level = level == Level::kUrgent ? alerts::Level::kUrgent : alerts::Level::kElevated;
  alert.reason = reason;
  alert.received_ms = time_ms;
  alert.from_conflict = reading.conflict;
  WEIR_RETURN_IF_ERROR(inbox_.Raise(*connection_, alert));
  return {};
}

Status AlertTask::ApplyAhead(const tasks::Window& window, size_t index) {
  const auto& readings = static_cast<const Readings&>(*window.computed);
  const Reading& reading = readings.records[index];
  WEIR_RETURN_IF_ERROR(Check(reading));
  if (reading.level == Level::kNone) return {};
  const journal::RecordView& record = window.block.records[index];
  return Raise(record.offset, record.time_ms, reading, reading.level, reading.reason);
}

Status AlertTask::ApplyReport(const journal::RecordView& record, const Readings&,
                              const Reading& reading, const tasks::Turn& turn) {
  if (reading.level != Level::kNone && !turn.handled_ahead) {
    WEIR_RETURN_IF_ERROR(
        Raise(record.offset, record.time_ms, reading, reading.level, reading.reason));
  }
  if (reading.compared != 0 && !reading.conflict && !turn.replayed) {
    scored_.push_back({record.offset, record.time_ms, &reading});
  }
  return {};
}

// By patient and then by offset: each patient's state is read and written once, in the order in
// which the store keeps it.
Status AlertTask::Flush() {
  flushing_ = true;
  std::ranges::sort(scored_, {}, [](const Scored& scored) {
    return std::pair(scored.reading->compared, scored.offset);
  });
  for (size_t first = 0; first < scored_.size();) {
    size_t last = first + 1;
    while (last < scored_.size() &&
           scored_[last].reading->compared == scored_[first].reading->compared) {
      ++last;
    }
    WEIR_RETURN_IF_ERROR(CompareAll(std::span(scored_).subspan(first, last - first)));
    first = last;
  }
  scored_.clear();
  WEIR_RETURN_IF_ERROR(heads_.Merge());
  flushing_ = false;
  return {};
}

Status AlertTask::CompareAll(std::span<const Scored> of_one_patient) {
  const HashId patient = of_one_patient.front().reading->compared;
  WEIR_ASSIGN_OR_RETURN(std::optional<PatientHeads::Head> previous, heads_.Load(patient));
  for (const Scored& scored : of_one_patient) {
    const Reading& reading = *scored.reading;
    if (previous && reading.level == Level::kNone) {
      const clinical::Triage rise =
          clinical::Compare(*reading.definition, previous->value, *reading.total);
      if (rise.level != Level::kNone) {
        WEIR_RETURN_IF_ERROR(
            Raise(scored.offset, scored.time_ms, reading, rise.level, rise.reason));
      }
    }
    previous = PatientHeads::Head{scored.offset, *reading.total};
  }
  return heads_.Save(patient, *previous);
}

}  // namespace weir::epro

#include "services/epro/effects/row_tasks.h"

namespace weir::epro {

using base::Status;
using journal::RecordView;
using tasks::Turn;

Status Cleanse::Open(store::Connection& connection) {
  WEIR_ASSIGN_OR_RETURN(insert_,
                        connection.Prepare("INSERT INTO cleansed(record_offset, context, version,"
                                           " flags, items) VALUES(?, ?, ?, ?, ?)"));
  WEIR_ASSIGN_OR_RETURN(
      conflict_, connection.Prepare("INSERT INTO conflict(study_id, record_offset, report_id,"
                                    " patient_id, first_offset, received_ms)"
                                    " VALUES(?, ?, ?, ?, ?, ?)"));
  return {};
}

Status Cleanse::ApplyReport(const RecordView& record, const Readings& readings,
                            const Reading& reading, const Turn&) {
  if (reading.conflict) return AddConflict(record, reading);
  WEIR_RETURN_IF_ERROR(texts_.Ensure(readings));
  insert_->Bind(1, Number(record.offset))
      .Bind(2, reading.context)
      .Bind(3, int64_t{clinical::kCleanseVersion})
      .BindText(4, reading.flags)
      .BindText(5, reading.items);
  return insert_->Run();
}

Status Cleanse::AddConflict(const RecordView& record, const Reading& reading) {
  conflict_->BindText(1, reading.head.study_id)
      .Bind(2, Number(record.offset))
      .BindText(3, reading.head.report_id)
      .BindText(4, reading.head.patient_id);
  BindOptional(*conflict_, 5, reading.first_offset);
  conflict_->Bind(6, record.time_ms);
  return conflict_->Run();
}

Status Assess::Open(store::Connection& connection) {
  WEIR_ASSIGN_OR_RETURN(insert_,
                        connection.Prepare("INSERT INTO assessed(record_offset, context, outcome,"
                                           " total) VALUES(?, ?, ?, ?)"));
  return {};
}

Status Assess::ApplyReport(const RecordView& record, const Readings& readings,
                           const Reading& reading, const Turn&) {
  if (reading.conflict) return {};
  WEIR_RETURN_IF_ERROR(texts_.Ensure(readings));
  insert_->Bind(1, Number(record.offset)).Bind(2, reading.context).Bind(3, reading.outcome);
  BindOptional(*insert_, 4, reading.total);
  return insert_->Run();
}

Status Research::Open(store::Connection& connection) {
  WEIR_ASSIGN_OR_RETURN(
      insert_, connection.Prepare("INSERT INTO research(record_offset, visible_at, context,"
                                  " pseudonym, received_ms, authored_ms, outcome, total, items)"
                                  " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  return {};
}

Status Research::ApplyReport(const RecordView& record, const Readings& readings,
                             const Reading& reading, const Turn& turn) {
  if (reading.conflict) return {};
  WEIR_RETURN_IF_ERROR(texts_.Ensure(readings));
  insert_->Bind(1, Number(record.offset));
  BindOptional(*insert_, 2, turn.replayed ? std::optional(turn.visible_at) : std::nullopt);
  insert_->Bind(3, reading.context).BindBlob(4, reading.pseudonym).Bind(5, record.time_ms);
  BindOptional(*insert_, 6, reading.head.authored_ms);
  insert_->Bind(7, reading.outcome);
  BindOptional(*insert_, 8, reading.total);
  insert_->BindText(9, reading.research_items.empty() ? reading.items : reading.research_items);
  return insert_->Run();
}

}  // namespace weir::epro

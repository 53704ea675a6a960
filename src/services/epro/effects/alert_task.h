// One alert for each urgent or elevated report, conflicts included.
//
// What a report by itself calls for is decided the same way ahead of its turn and in it. Rules that
// compare with the patient's previous scored report of the same instrument run in turn only; a
// report that was replayed out of quarantine is not compared, and later ones are not compared with
// it, since its place in time has passed.
#pragma once

#include <vector>

#include "alerts/inbox.h"
#include "services/epro/effects/patient_heads.h"
#include "services/epro/effects/report_task.h"

namespace weir::epro {

class AlertTask final : public ReportTask {
 public:
  AlertTask(SharedTexts& texts, alerts::Inbox& inbox) : ReportTask("alert", texts), inbox_(inbox) {}

  base::Status Open(store::Connection& connection) override;
  base::Status Flush() override;
  void Discard() override;
  void RolledBack() override;
  base::Result<bool> Settle() override { return heads_.Settle(); }
  bool settled() const override { return heads_.settled(); }
  bool has_express() const override { return true; }
  base::Status ApplyAhead(const tasks::Window& window, size_t index) override;

 protected:
  base::Status ApplyReport(const journal::RecordView& record, const Readings& readings,
                           const Reading& reading, const tasks::Turn& turn) override;

 private:
  // A scored report whose instrument compares. Views into the window, which outlives the flush.
  struct Scored {
    Offset offset;
    int64_t time_ms;
    const Reading* reading;
  };
  base::Status Raise(Offset offset, int64_t time_ms, const Reading& reading, clinical::Level level,
                     std::string_view reason);
  base::Status CompareAll(std::span<const Scored> of_one_patient);

  alerts::Inbox& inbox_;
  store::Connection* connection_ = nullptr;
  PatientHeads heads_{"compared"};  // of the previous scored reports; the value is the total
  bool flushing_ = false;
  std::vector<Scored> scored_;
};

}  // namespace weir::epro

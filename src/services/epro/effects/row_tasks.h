// The tasks that write one row for each report: cleanse and assess.
#pragma once

#include "services/epro/effects/report_task.h"

namespace weir::epro {

// Cleaned answers beside the originals, with the rules that touched them; and the list of
// conflicts.
class Cleanse final : public ReportTask {
 public:
  explicit Cleanse(SharedTexts& texts) : ReportTask("cleanse", texts) {}
  base::Status Open(store::Connection& connection) override;

 protected:
  base::Status ApplyReport(const journal::RecordView& record, const Readings& readings,
                           const Reading& reading, const tasks::Turn& turn) override;

 private:
  base::Status AddConflict(const journal::RecordView& record, const Reading& reading);
  store::Statement* insert_ = nullptr;
  store::Statement* conflict_ = nullptr;
};

// Total, band and level by the definition's version, or why there are none.
class Assess final : public ReportTask {
 public:
  explicit Assess(SharedTexts& texts) : ReportTask("assess", texts) {}
  base::Status Open(store::Connection& connection) override;

 protected:
  base::Status ApplyReport(const journal::RecordView& record, const Readings& readings,
                           const Reading& reading, const tasks::Turn& turn) override;

 private:
  store::Statement* insert_ = nullptr;
};

// Pseudonymous rows for statisticians: docs/research.md.
class Research final : public ReportTask {
 public:
  explicit Research(SharedTexts& texts) : ReportTask("research", texts) {}
  base::Status Open(store::Connection& connection) override;

 protected:
  base::Status ApplyReport(const journal::RecordView& record, const Readings& readings,
                           const Reading& reading, const tasks::Turn& turn) override;

 private:
  store::Statement* insert_ = nullptr;
};

}  // namespace weir::epro

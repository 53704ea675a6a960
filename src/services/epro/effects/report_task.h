// What the six tasks have in common: they take reports, and need them read.
#pragma once

#include <string>
#include <string_view>

#include "services/epro/effects/bind.h"
#include "services/epro/effects/reading.h"
#include "services/epro/effects/shared_texts.h"
#include "store/database.h"
#include "tasks/task.h"

namespace weir::epro {

class ReportTask : public tasks::Task {
 public:
  ReportTask(std::string_view name, SharedTexts& texts) : texts_(texts), name_(name) {}

  std::string_view name() const final { return name_; }
  bool Takes(uint16_t kind) const final {
    return kind == static_cast<uint16_t>(wire::Kind::kReport);
  }
  base::Status Apply(const tasks::Window& window, size_t index, const tasks::Turn& turn) final {
    const auto& readings = static_cast<const Readings&>(*window.computed);
    WEIR_RETURN_IF_ERROR(Check(readings.records[index]));
    return ApplyReport(window.block.records[index], readings, readings.records[index], turn);
  }

 protected:
  virtual base::Status ApplyReport(const journal::RecordView& record, const Readings& readings,
                                   const Reading& reading, const tasks::Turn& turn) = 0;
  // Whether the task can do without what was evaluated.
  virtual bool NeedsEvaluation() const { return true; }

  base::Status Check(const Reading& reading) const {
    if (!reading.head_problem.empty()) {
      return base::Fail(base::ErrorCode::kInvalidArgument, reading.head_problem);
    }
    if (NeedsEvaluation() && !reading.problem.empty()) {
      return base::Fail(base::ErrorCode::kInvalidArgument, reading.problem);
    }
    return {};
  }

  SharedTexts& texts_;

 private:
  const std::string_view name_;
};

}  // namespace weir::epro

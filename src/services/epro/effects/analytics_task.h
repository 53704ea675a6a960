// Counters and distributions of scores per study, site, instrument and day, gathered over a window
// and written once for each group.
#pragma once

#include <map>
#include <string_view>

#include "services/epro/effects/report_task.h"
#include "services/epro/tally.h"

namespace weir::epro {

class Analytics final : public ReportTask {
 public:
  explicit Analytics(SharedTexts& texts) : ReportTask("analytics", texts) {}
  base::Status Open(store::Connection& connection) override;
  base::Status Flush() override;
  void Discard() override { groups_.clear(); }

 protected:
  base::Status ApplyReport(const journal::RecordView& record, const Readings& readings,
                           const Reading& reading, const tasks::Turn& turn) override;

 private:
  // Views into the window, which outlives the flush.
  struct Group {
    std::string_view study_id;
    int64_t day;
    std::string_view site_id, instrument;
    auto operator<=>(const Group&) const = default;
  };
  base::Status Write(const Group& group, Tally tally);

  store::Statement* load_ = nullptr;
  store::Statement* save_ = nullptr;
  std::map<Group, Tally> groups_;
};

}  // namespace weir::epro

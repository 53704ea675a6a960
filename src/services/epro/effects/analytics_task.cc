#include "services/epro/effects/analytics_task.h"

namespace weir::epro {
namespace {

constexpr int64_t kDayMs = 86'400'000;

int64_t DayOf(int64_t time_ms) {
  return time_ms >= 0 ? time_ms / kDayMs : -((-time_ms + kDayMs - 1) / kDayMs);
}

}  // namespace

using base::Status;

Status Analytics::Open(store::Connection& connection) {
  WEIR_ASSIGN_OR_RETURN(
      load_, connection.Prepare("SELECT received, late, scored, bands, scores FROM analytics"
                                " WHERE study_id = ? AND day = ? AND site_id = ?"
                                " AND instrument = ?"));
  WEIR_ASSIGN_OR_RETURN(
      save_, connection.Prepare("REPLACE INTO analytics(study_id, day, site_id, instrument,"
                                " received, late, scored, bands, scores)"
                                " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  return {};
}

Status Analytics::ApplyReport(const journal::RecordView& record, const Readings& readings,
                              const Reading& reading, const tasks::Turn&) {
  if (reading.conflict) return {};
  const Context& context = readings.shared.contexts.at(reading.context);
  Tally& tally =
      groups_[{context.study_id, DayOf(record.time_ms), context.site_id, context.instrument}];
  ++tally.received;
  const auto authored_ms = reading.head.authored_ms;
  if (authored_ms && record.time_ms - *authored_ms > kDayMs) ++tally.late;
  if (reading.total) {
    ++tally.scored;
    ++tally.scores[*reading.total];
    if (!reading.band.empty()) ++tally.bands[reading.band];
  }
  return {};
}

Status Analytics::Flush() {
  for (auto& [group, tally] : groups_) WEIR_RETURN_IF_ERROR(Write(group, std::move(tally)));
  groups_.clear();
  return {};
}

Status Analytics::Write(const Group& group, Tally tally) {
  const auto bind_group = [&group](store::Statement& statement) -> store::Statement& {
    return statement.BindText(1, group.study_id)
        .Bind(2, group.day)
        .BindText(3, group.site_id)
        .BindText(4, group.instrument);
  };
  auto row = bind_group(*load_).Step();
  Status status;
  if (row && *row) {
    tally.received += static_cast<uint64_t>(load_->Int(0));
    tally.late += static_cast<uint64_t>(load_->Int(1));
    tally.scored += static_cast<uint64_t>(load_->Int(2));
    status = tally.AddBands(load_->Text(3));
    if (status) status = tally.AddScores(load_->Text(4));
  }
  load_->Reset();
  if (!row) return base::Fail(std::move(row).error());
  WEIR_RETURN_IF_ERROR(status);

  const std::string bands = tally.BandsJson();
  const std::string scores = tally.ScoresJson();
  bind_group(*save_)
      .Bind(5, static_cast<int64_t>(tally.received))
      .Bind(6, static_cast<int64_t>(tally.late))
      .Bind(7, static_cast<int64_t>(tally.scored))
      .BindText(8, bands)
      .BindText(9, scores);
  return save_->Run();
}

}  // namespace weir::epro

#include "alerts/escalator.h"

#include <algorithm>

#include "alerts/control_record.h"
#include "alerts/queries.h"
#include "wire/envelope.h"

namespace weir::alerts {

using base::ErrorCode;
using base::Result;
using base::Status;
using journal::Outcome;
using store::Connection;
using store::Statement;

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kPage = 1000;

constexpr std::string_view kSelectOpenUrgent =
    "SELECT report_offset, created_ms FROM alerts"
    " WHERE state = 'open' AND level = 'urgent' AND report_offset > ?"
    " ORDER BY report_offset LIMIT ?";
constexpr std::string_view kSelectRaised =
    "SELECT e.seq, a.report_offset, a.created_ms, a.level = 'urgent' AND a.state = 'open'"
    " FROM alert_events AS e JOIN alerts AS a ON a.report_offset = e.report_offset"
    " WHERE e.seq > ? ORDER BY e.seq LIMIT ?";

Offset ToOffset(int64_t value) { return Offset(static_cast<uint64_t>(value)); }

}  // namespace

Escalator::Escalator(const EscalationOptions& options, journal::Journal& journal,
                     const base::Clock& clock, observe::Log& log)
    : options_(options), journal_(journal), clock_(clock), log_(log) {}

Status Escalator::Turn(Connection& reader, bool changed) {
  if (options_.after_ms == 0) return {};
  if (!started_) {
    // First, so that nothing is raised between the two ways of finding.
    WEIR_ASSIGN_OR_RETURN(new_after_, LastSequence(reader));
    started_ = true;
  }
  if (!old_done_) WEIR_RETURN_IF_ERROR(FindOld(reader));
  if (changed) more_new_ = true;
  if (more_new_) WEIR_RETURN_IF_ERROR(FindNew(reader));
  return EscalateDue(reader);
}

int64_t Escalator::next_ns() const {
  if (options_.after_ms == 0) return INT64_MAX;
  const bool room = tracked_.size() < options_.tracked_max;
  if (room && (!old_done_ || more_new_)) return 0;
  return tracked_.empty() ? INT64_MAX : std::max(tracked_.begin()->first, not_before_ns_);
}

Status Escalator::FindOld(Connection& reader) {
  if (tracked_.size() >= options_.tracked_max) return {};
  WEIR_ASSIGN_OR_RETURN(Statement * select, reader.Prepare(kSelectOpenUrgent));
  select->Bind(1, old_after_).Bind(2, kPage);
  int64_t rows = 0;
  Result<bool> row = false;
  for (; (row = select->Step()) && *row; ++rows) {
    old_after_ = select->Int(0);
    Track(ToOffset(old_after_), select->Int(1));
  }
  select->Reset();
  if (!row) return base::Fail(row.error());
  old_done_ = rows < kPage;
  return {};
}

Status Escalator::FindNew(Connection& reader) {
  if (tracked_.size() >= options_.tracked_max) return {};
  WEIR_ASSIGN_OR_RETURN(Statement * select, reader.Prepare(kSelectRaised));
  select->Bind(1, new_after_).Bind(2, kPage);
  int64_t rows = 0;
  Result<bool> row = false;
  for (; (row = select->Step()) && *row; ++rows) {
    new_after_ = select->Int(0);
    if (select->Int(3) != 0) Track(ToOffset(select->Int(1)), select->Int(2));
  }
  select->Reset();
  if (!row) return base::Fail(row.error());
  more_new_ = rows == kPage;
  return {};
}

void Escalator::Track(Offset report, int64_t created_ms) {
  const int64_t passed_ms = std::clamp<int64_t>(clock_.WallMs() - created_ms, 0, options_.after_ms);
  tracked_.emplace(clock_.SteadyNs() + (options_.after_ms - passed_ms) * kNsPerMs, report);
}

Status Escalator::EscalateDue(Connection& reader) {
  const int64_t now = clock_.SteadyNs();
  if (now < not_before_ns_) return {};
  if (now - second_ns_ >= kNsPerSecond) {
    second_ns_ = now;
    in_second_ = 0;
  }
  while (!tracked_.empty() && tracked_.begin()->first <= now) {
    if (in_second_ >= options_.per_second_max) {
      not_before_ns_ = second_ns_ + kNsPerSecond;
      return {};
    }
    const Offset report = tracked_.begin()->second;
    WEIR_ASSIGN_OR_RETURN(const Alert alert, Get(reader, StudyScope::All(), report));
    if (alert.state == State::kOpen) {
      WEIR_RETURN_IF_ERROR(Escalate(report));
      if (not_before_ns_ > now) return {};
      ++in_second_;
    }
    tracked_.erase(tracked_.begin());
  }
  return {};
}

// Sets not_before_ns_ if it must be tried again.
Status Escalator::Escalate(Offset report) {
  const auto appended =
      AppendAction(journal_, wire::Kind::kAlertEscalated, {report, "weir", ""}, clock_.WallMs());
  if (appended.outcome == Outcome::kStopped) {
    return base::Fail(ErrorCode::kStopped, "the journal has stopped");
  }
  if (!IsStored(appended.outcome)) {
    not_before_ns_ = clock_.SteadyNs() + kNsPerSecond;
    return {};
  }
  if (appended.outcome == Outcome::kStored) {
    ++escalated_;
    log_.Warn("alerts.escalated", "an urgent alert was not acknowledged in time",
              {observe::AtOffset(report)});
  }
  return {};
}

}  // namespace weir::alerts

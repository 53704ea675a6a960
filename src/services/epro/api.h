// Patients' reports over HTTP: taking them in, reading what was stored and what was made of it, and
// operating the tasks. The interface: docs/openapi.yaml.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "exec/worker_pool.h"
#include "journal/journal.h"
#include "security/audit.h"
#include "security/route.h"
#include "services/epro/intake.h"
#include "services/epro/queries.h"
#include "store/reader_pool.h"
#include "tasks/engine.h"

namespace weir::epro {

// When a study expects reports of its patients.
struct StudySchedule {
  Schedule schedule;
  std::optional<int64_t> first_day;  // nothing: the patient's first report
  int64_t days = 0;                  // 0: without end
};
using ScheduleOf = std::function<std::optional<StudySchedule>(const std::string& study_id)>;

// What the routes use; everything outlives them.
struct ApiParts {
  journal::Journal& journal;
  store::ReaderPool& readers;
  exec::WorkerPool& helpers;
  security::AuditTrail& audit;
  const base::Clock& clock;
  tasks::Engine& engine;
  ScheduleOf schedules;  // any thread
};

// The intake of one loop.
std::vector<security::Route> IntakeRoutes(Intake& intake);

std::vector<security::Route> ReportRoutes(const ApiParts& parts);  // api_reports.cc
std::vector<security::Route> StudyRoutes(const ApiParts& parts);   // api_studies.cc
std::vector<security::Route> TaskRoutes(const ApiParts& parts);    // api_tasks.cc

}  // namespace weir::epro

// One run from connecting to the verdict.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "tools/surge/alert_stream.h"
#include "tools/surge/api_client.h"
#include "tools/surge/figures.h"
#include "tools/surge/findings.h"
#include "tools/surge/ledger.h"
#include "tools/surge/options.h"
#include "tools/surge/plan.h"
#include "tools/surge/submitter.h"
#include "tools/surge/verifier.h"
#include "tools/surge/worker.h"

namespace weir::surge {

class Session {
 public:
  // `stop` ends the run early, with the figures so far.
  Session(const Options& options, const std::atomic<bool>& stop);

  // Plays and, if asked to, verifies. Errors: the run could not take place (no server, too few
  // descriptors); what went wrong in it is in findings().
  base::Status Run();

  const Figures& figures() const { return figures_; }
  const Findings& findings() const { return findings_; }

 private:
  base::Status Connect();
  Protocol MakeProtocol();
  base::Result<std::vector<std::unique_ptr<Worker>>> MakeWorkers(const Protocol& protocol,
                                                                 unsigned connections);
  void OpenStream();
  void Play();
  void Verify();
  void WatchPlay(const std::vector<Progress>& progress, const std::atomic<unsigned>& running,
                 int64_t start_ns);
  void Gather(const std::vector<Progress>& progress,
              const std::vector<std::unique_ptr<Submitter>>& submitters, const Schedule& schedule);
  void GatherAlerts();
  Schedule MakeSchedule() const;

  const Options options_;
  const std::atomic<bool>& stop_;
  const Plan plan_;
  Findings findings_;
  Figures figures_;
  std::optional<Target> target_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<ApiClient> api_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<AlertStream> stream_;
  std::optional<uint64_t> counted_before_;
  int64_t last_acknowledged_ns_ = 0;
};

}  // namespace weir::surge

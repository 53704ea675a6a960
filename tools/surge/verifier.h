// Checks, after the last acknowledgement, that the server kept its promises: every acknowledged
// report is there once, as it was sent, applied by all tasks once, with the alerts it must raise.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/surge/alert_stream.h"
#include "tools/surge/api_client.h"
#include "tools/surge/findings.h"
#include "tools/surge/ledger.h"
#include "tools/surge/options.h"
#include "tools/surge/plan.h"
#include "tools/surge/worker.h"

namespace weir::surge {

// What the study's analytics counted before the first report was sent. Nullopt: the tasks had not
// caught up by then, or the analytics could not be read, so the count cannot be compared.
std::optional<uint64_t> CountBefore(ApiClient& api, const Options& options);

// Waits until no task lags, at most `seconds`; what hinders it otherwise.
base::Status WaitApplied(ApiClient& api, double seconds, const std::atomic<bool>& stop);

struct Verified {
  uint64_t read_back = 0;
  uint64_t alerts_listed = 0;
  std::optional<uint64_t> counted;  // by the analytics, more than before
};

class Verifier {
 public:
  // `stream` may be null. Everything must outlive the verifier.
  Verifier(const Plan& plan, const Options& options, Ledger& ledger, Findings& findings,
           ApiClient& api, std::vector<std::unique_ptr<Worker>>& workers,
           const std::atomic<bool>& stop);

  // After WaitApplied(), whose success `applied` tells. Stops the stream once it has had time to
  // deliver what it must. `read` is counted up while reports are read back.
  Verified Run(bool applied, AlertStream* stream, std::optional<uint64_t> counted_before,
               std::atomic<uint64_t>& read);

 private:
  void CheckOffsets();
  uint64_t ReadAll(bool applied, std::atomic<uint64_t>& read);
  uint64_t ListAlerts();
  void AwaitStream(const AlertStream& stream);
  void CheckAlerts(bool streamed);
  std::optional<uint64_t> CheckAnalytics(std::optional<uint64_t> before);

  const Plan& plan_;
  const Options& options_;
  Ledger& ledger_;
  Findings& findings_;
  ApiClient& api_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  const std::atomic<bool>& stop_;
  JsonReader json_;
};

}  // namespace weir::surge

// Sends one worker's share of the reports, some of them twice, each until it is acknowledged.
//
// Of W workers, worker w sends the reports w, w + W, w + 2W … An acknowledgement's receipt goes
// into the ledger. Refusals that pass (429, 503, 504, 507) are sent again after Retry-After, at
// most kRetryAfterMaxNs, and a jitter below a second; reports whose connection broke are sent again
// soon, for sending again is always safe. What is still unacknowledged `retry_for_s` after it was
// due is given up and found.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <string>
#include <vector>

#include "tools/surge/findings.h"
#include "tools/surge/histogram.h"
#include "tools/surge/ledger.h"
#include "tools/surge/options.h"
#include "tools/surge/plan.h"
#include "tools/surge/report_request.h"
#include "tools/surge/worker.h"

namespace weir::surge {

// When reports are due.
struct Schedule {
  int64_t start_ns = 0;
  double interval_ns = 0;       // open loop: report i is due at start + i × interval
  bool closed_loop = false;     // due when a connection is free
  int64_t measure_from_ns = 0;  // answers to what was due before are counted, not measured
  int64_t end_ns = INT64_MAX;   // closed loop: no new report from then on
};

// Of one worker, watched by the progress bar while it runs.
struct alignas(64) Progress {
  std::atomic<uint64_t> sent{0};          // requests
  std::atomic<uint64_t> acknowledged{0};  // reports, each once
  std::atomic<uint64_t> repeats{0};       // answers to reports already acknowledged
  std::atomic<uint64_t> measured{0};  // of those acknowledged, the ones due since measure_from_ns
  std::atomic<uint64_t> retried_429{0}, retried_503{0}, retried_504{0}, retried_507{0};
  std::atomic<uint64_t> resent{0};  // after a connection broke
  std::atomic<uint64_t> refused{0};
  std::atomic<uint64_t> given_up{0};
};

class Submitter final : public Script {
 public:
  static constexpr int64_t kRetryAfterMaxNs = 10'000'000'000;
  static constexpr int64_t kResendNs = 20'000'000;  // after a connection broke
  static constexpr int64_t kRepeatLaterNs = 300'000'000;

  struct Share {
    uint64_t worker = 0;
    uint64_t workers = 1;
  };
  // `ledger` is null where single reports are not tracked. All must outlive the submitter.
  Submitter(const Plan& plan, const Options& options, const Schedule& schedule, Share share,
            Ledger* ledger, Findings& findings, Progress& progress);

  bool Take(int64_t now_ns, Request& request, int64_t& wake_ns) override;
  void Answered(uint64_t tag, int64_t due_ns, const Answer& answer, int64_t now_ns) override;
  void Lost(uint64_t tag, int64_t due_ns, int64_t now_ns) override;
  bool Done(int64_t now_ns) const override;

  // After the run: from due to acknowledged, and when the last report was acknowledged.
  const Histogram& latency() const { return latency_; }
  int64_t last_acknowledged_ns() const { return last_acknowledged_ns_; }

 private:
  // A tag is a report's index, with this bit on its second sending.
  static constexpr uint64_t kRepeat = uint64_t{1} << 63;
  struct Waiting {
    int64_t at_ns;
    int64_t due_ns;
    uint64_t tag;
    bool operator>(const Waiting& other) const { return at_ns > other.at_ns; }
  };

  bool TakeFresh(int64_t now_ns, Waiting& taken, int64_t& wake_ns);
  bool Acknowledged(uint64_t tag, const Answer& answer, int64_t now_ns);
  void SendAgain(uint64_t tag, int64_t due_ns, int64_t at_ns);
  void Refused(uint64_t tag, const Answer& answer);

  const Plan& plan_;
  const Schedule schedule_;
  const Share share_;
  const uint64_t reports_;
  const int64_t retry_for_ns_;
  const bool check_hashes_;
  Ledger* const ledger_;
  Findings& findings_;
  Progress& progress_;
  ReportRequest request_;
  uint64_t next_;  // index of the next fresh report
  std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> retries_;
  std::deque<Waiting> repeats_at_once_;
  std::deque<Waiting> repeats_later_;  // in the order of at_ns
  Histogram latency_;
  int64_t last_acknowledged_ns_ = 0;
};

// The receipt in an acknowledgement's body; false if it has none.
struct Receipt {
  uint64_t offset = 0;
  std::string_view sha256;  // hexadecimal
};
bool FindReceipt(std::string_view body, Receipt& receipt);

}  // namespace weir::surge

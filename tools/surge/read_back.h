// Reads every acknowledged report back and compares it with what was sent, byte for byte.
#pragma once

#include <atomic>
#include <cstdint>
#include <queue>
#include <string>

#include "tools/surge/api_shapes.h"
#include "tools/surge/findings.h"
#include "tools/surge/ledger.h"
#include "tools/surge/options.h"
#include "tools/surge/plan.h"
#include "tools/surge/report_request.h"
#include "tools/surge/submitter.h"
#include "tools/surge/worker.h"

namespace weir::surge {

// One worker's share of the reports, divided as in Submitter. A report that cannot be read within
// kAttempts is missing.
class ReadBack final : public Script {
 public:
  static constexpr int64_t kAttempts = 20;
  static constexpr int64_t kAgainNs = 250'000'000;

  // `expect_applied`: all tasks' states must be "applied". `read` counts what was read, for the
  // progress bar.
  ReadBack(const Plan& plan, const Options& options, Submitter::Share share, const Ledger& ledger,
           bool expect_applied, Findings& findings, std::atomic<uint64_t>& read);

  bool Take(int64_t now_ns, Request& request, int64_t& wake_ns) override;
  void Answered(uint64_t tag, int64_t due_ns, const Answer& answer, int64_t now_ns) override;
  void Lost(uint64_t tag, int64_t due_ns, int64_t now_ns) override;
  bool Done(int64_t now_ns) const override;

 private:
  // A tag is a report's index, and above it the number of attempts so far.
  static constexpr unsigned kAttemptShift = 56;
  static constexpr uint64_t kIndexMask = (uint64_t{1} << kAttemptShift) - 1;

  void Compare(uint64_t index, std::string_view body);
  void Again(uint64_t tag, int64_t now_ns, const std::string& why);
  void SkipToAcknowledged();

  const Plan& plan_;
  const Submitter::Share share_;
  const Ledger& ledger_;
  const bool expect_applied_;
  Findings& findings_;
  std::atomic<uint64_t>& read_;
  ReportRequest sent_;
  std::string request_;
  size_t id_at_ = 0;
  JsonReader json_;
  uint64_t next_;
  struct Waiting {
    int64_t at_ns;
    uint64_t tag;
  };
  std::deque<Waiting> again_;  // in the order of at_ns
};

}  // namespace weir::surge

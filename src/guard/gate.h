// What stands before everything that comes in: a request is let in, or shed.
//
// One Gate per loop decides for that loop by what the loop measures; the bounds on requests in
// flight and on reports that wait for the disk are those of all loops together (Crowd). A request
// that was let in gives a token; hand it back to Left() once, when it is answered.
//
// kAuto: of reads, exports and metrics the share that the processors cannot take (delay_shedder.h);
// of reports as many waiting for the disk as it serves in time (queue_limit.h). The processors shed
// reports only when even those wait for half a second to be read: to refuse a report costs two
// thirds of taking it (docs/guard.md), and its socket is the cheaper queue. kGoZero: go-zero's rule
// (gozero_shedder.h) per loop, fed with its average of the CPU, its truncation included. kOff: the
// bounds alone. In a dry run the modes' decisions are counted and not carried out; the bounds hold.
//
// Times are steady nanoseconds. Threads: the loop's, but for stats(). Memory: fixed. No call
// allocates.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/random.h"
#include "guard/criticality.h"
#include "guard/delay_shedder.h"
#include "guard/fair_share.h"
#include "guard/gozero_shedder.h"
#include "guard/queue_limit.h"
#include "guard/retry_spread.h"

namespace weir::guard {

enum class ShedderMode : uint8_t { kAuto, kGoZero, kOff };

struct GateOptions {
  ShedderMode mode = ShedderMode::kAuto;
  bool dry_run = false;
  int64_t cpu_threshold = 900;  // thousandths; 1000 and above, or 0: the CPU says nothing
  int64_t in_flight_max = 40'000;
  int64_t queueing_max = 40'000;
  bool operator==(const GateOptions&) const = default;
};

enum class Reason : uint8_t { kConcurrency, kQueueing, kDelay, kDisk, kCpu };
inline constexpr size_t kReasons = 5;
std::string_view Name(Reason reason);

// What all loops hold, each counting its own.
class Crowd {
 public:
  explicit Crowd(unsigned loops) : loops_(loops), own_(new Own[loops]) {}
  struct alignas(64) Own {
    std::atomic<int64_t> in_flight{0};
    std::atomic<int64_t> queueing{0};
  };
  Own& own(unsigned loop) { return own_[loop]; }
  int64_t in_flight() const { return Sum(&Own::in_flight); }
  int64_t queueing() const { return Sum(&Own::queueing); }
  unsigned loops() const { return loops_; }

 private:
  int64_t Sum(std::atomic<int64_t> Own::*count) const;

  const unsigned loops_;
  std::unique_ptr<Own[]> own_;
};

// Written by the loop's thread alone.
struct GateStats {
  struct ByReason {
    std::array<std::atomic<uint64_t>, kReasons> count{};
  };
  std::array<std::atomic<uint64_t>, kCriticalities> admitted{};
  std::array<ByReason, kCriticalities> shed{};
  std::array<ByReason, kCriticalities> would_shed{};  // in a dry run
  std::atomic<int64_t> lag_ns{0};                     // how long what is ready waits for its turn
  std::atomic<double> shed_share{0};                  // of all arrivals, by their delay
  std::atomic<int64_t> queue_limit{0};                // 0: none
};

class Gate {
 public:
  Gate(const GateOptions& options, Crowd& crowd, unsigned loop, uint64_t seed, int64_t now_ns);

  // Takes effect with the next request.
  void Configure(const GateOptions& options);
  const GateOptions& options() const { return options_; }

  // A token is less than this: what is above is the caller's.
  static constexpr uint32_t kTokenEnd = 1u << 18;
  static bool IsUrgent(uint32_t token) { return (token & kIsUrgent) != 0; }
  struct Entry {
    bool admitted = false;
    Reason reason = Reason::kConcurrency;  // why not
    uint32_t token = 0;                    // of what was admitted: never 0
  };
  Entry Enter(Criticality of, int64_t now_ns);
  // A report, which has been read: its urgency is known. `study` is a hash of its study.
  Entry EnterReport(bool urgent, uint64_t study, int64_t now_ns);
  // `failed`: it was answered 503.
  void Left(uint32_t token, int64_t entered_ns, bool failed, int64_t now_ns);

  // A line of a batch: a batch is slowed by not being read, so that only the bound on what waits
  // for the disk holds for its lines. False: shed it.
  bool EnterLine(bool urgent);
  // One more, or one less, waits for the disk.
  void Queued();
  void Unqueued();

  // What the loop measures.
  void Lag(int64_t lag_ns, int64_t now_ns);
  // Its `behind` is the gate's own to fill in; called when its records are no longer queued.
  void Served(QueueLimit::Batch batch, int64_t now_ns);
  // The CPU in thousandths of what may be used, each 250 ms.
  void Cpu(int64_t thousandths);

  const GateStats& stats() const { return stats_; }
  // For jitter; nothing secret.
  uint64_t Random();
  // After how many seconds one of this class comes back that is refused now: from 1 on, spread by
  // how many are refused.
  int RetryAfterSeconds(Criticality of, int64_t now_ns);

 private:
  static constexpr uint32_t kEntered = 1;
  static constexpr uint32_t kCounted = 2;  // by go-zero's shedder
  static constexpr uint32_t kHasCell = 4;
  static constexpr uint32_t kIsUrgent = 8;
  static constexpr unsigned kGenerationShift = 4;  // of go-zero's shedder, four bits
  static constexpr uint32_t kGenerations = 16;
  static constexpr unsigned kCellShift = 8;
  static_assert(FairShare::kCells << kCellShift <= kTokenEnd);

  double Draw() { return base::ToFraction(Random()); }
  Entry Decide(Criticality of, Rank rank, uint32_t token, int64_t now_ns);
  struct Others {  // what other loops hold, as last looked at
    int64_t count = 0;
    unsigned looks = 0;
  };
  bool Crowded(std::atomic<int64_t> Crowd::Own::*count, Others& others, int64_t max, bool urgent);
  bool Shed(Criticality of, Reason reason);
  bool cpu_counts() const;  // see GateOptions::cpu_threshold
  bool cpu_is_hot() const;

  GateOptions options_;
  Crowd& crowd_;
  Crowd::Own& own_;
  Others others_in_flight_;
  Others others_queueing_;
  DelayShedder delay_;         // of what is dearer to serve than to refuse
  DelayShedder delay_of_all_;  // of reports as well
  QueueLimit queue_;
  FairShare studies_;
  std::array<RetrySpread, kCriticalities> spreads_;
  std::unique_ptr<GoZeroShedder> gozero_;
  uint32_t gozero_generation_ = 0;
  int64_t cpu_ = 0;
  int64_t gozero_cpu_ = 0;
  uint64_t random_;
  GateStats stats_;
};

}  // namespace weir::guard

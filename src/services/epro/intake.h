// Reports in: validated, triaged, handed to the journal once per turn of the loop, answered when
// the journal says that they are durable.
//
// One Intake per loop; everything here runs on that loop's thread, except Completed(), which the
// journal's thread calls. It must outlive the journal's thread.
// Bounds: what the loop's gate lets in, once it is known how urgent a report is; the rest gets 503,
// as does what the journal's own bound refuses. A report whose deadline passes before it is durable
// gets 504, and is not even read if it has passed before: sending it again is always safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "exec/worker_pool.h"
#include "guard/gate.h"
#include "guard/rate_limits.h"
#include "journal/journal.h"
#include "net/http.h"
#include "net/unanswered.h"
#include "observe/span.h"
#include "security/route.h"
#include "services/epro/definitions.h"
#include "services/epro/report.h"
#include "wire/envelope.h"

namespace weir::epro {

struct IntakeOptions {
  ReportLimits limits;
  int deadline_ms = 30'000;  // of a line of a batch whose sender has given none
  size_t line_bytes_max = 1u << 20;
  size_t lines_waiting_max = 1024;  // of one batch, between reading and answering
  size_t batches_max = 64;          // of one loop at once
  // A busy loop hands its reports over when it has so many, or after so long.
  size_t gather_records_max = 256;
  int64_t gather_ns_max = 2'000'000;
  observe::SpanQueue* spans = nullptr;  // of durable reports that are traced; null: none
};

// By outcome, of one loop: written by its thread, read by the scrape.
struct IntakeStats {
  std::atomic<uint64_t> stored{0}, repeated{0}, conflicts{0}, invalid{0}, urgent{0}, expired{0},
      no_space{0}, busy{0}, unknown_instrument{0};
};

// How one report is answered; the same for a single report and for a line of a batch.
struct Answer {
  int status = 202;
  std::string body;     // the receipt, or problem+json
  std::string headers;  // Retry-After where it helps
};

class Batch;

class Intake final : public journal::HandoverSink {
 public:
  Intake(net::Loop& loop, journal::Journal& journal, Definitions& definitions,
         exec::WorkerPool& helpers, const base::Clock& clock, guard::Gate& gate,
         guard::RateLimits& limits, const IntakeOptions& options);
  ~Intake() override;

  // POST /submit and /api/v1/reports. Answers the request, now or later.
  void Submit(const security::Call& call);

  // POST /api/v1/reports:batch: NDJSON in pieces. The reader belongs to this object.
  net::BodyReader* BeginBatch(const security::Call& call);

  // A turn of the loop is over. While further requests are ready what was gathered may grow for a
  // while: a sync costs the same for one report as for hundreds. True: it is kept, and HandOver()
  // must be called before the loop waits.
  bool OnTurnEnd();
  // Hands over what was gathered.
  void HandOver();

  void Completed(std::unique_ptr<journal::Handover> batch, bool last) noexcept override;

  const IntakeStats& stats() const { return stats_; }

 private:
  friend class Batch;

  // Who waits for the outcome of a record: a request of its own, or a line of a batch.
  struct Origin {
    net::Ticket ticket = 0;
    Batch* batch = nullptr;  // null: the request itself
    uint64_t line = 0;
    int64_t deadline_ns = 0;
    uint32_t mark = 0;  // see security::Call
    std::array<char, 32> trace_id{};
    observe::SpanId span;  // see security::Call, likewise below
    uint32_t span_mark = 0;
    bool trace_kept = false;
  };
  // A record taken out of a hand-over, to be looked up on disk and handed over again.
  struct Parked {
    journal::RecordHeader header;
    std::string head;
    std::string body;
  };

  static Origin From(const security::Call& call);
  // Reads, checks and gathers one report. The answer goes to `origin`, now or later.
  void Take(std::string_view body, const security::Identity& identity, const Origin& origin,
            std::string_view trace_state);
  // Names the instrument and triages.
  void Govern(const Report& report, wire::ReportHead* head, journal::RecordHeader* header);
  // Answers the report with 429 or 503 and returns false, unless it may come in.
  bool LetIn(bool urgent, std::string_view study, const Origin& origin);
  void Gather(const journal::RecordHeader& header, std::string_view head, std::string_view body,
              journal::Probe probe, uint64_t name);
  void ProbeOnDisk(uint64_t name, Parked record);
  void CollectReturned();
  void TellGate(const journal::Handover& batch);
  void Finish(const journal::Handover& batch, const journal::Handover::Item& item);
  void TraceDurable(const journal::Handover& batch, const journal::Handover::Item& item) const;
  void AnswerRepeat(uint64_t name, std::string_view report_id, const journal::Handover::Item& item);
  void Reply(uint64_t name, const Answer& answer);
  void ReplyRefused(uint64_t name, int status, std::string_view type, std::string_view detail,
                    int retry_after_s = 0, std::string_view members = {});
  void ReplyBusy(uint64_t name);
  void Send(const Origin& origin, const Answer& answer);
  Answer Expired(const Origin& origin);
  Answer Refuse(const Origin& origin, int status, std::string_view type, std::string_view detail,
                int retry_after_s = 0, std::string_view members = {});

  net::Loop& loop_;
  journal::Journal& journal_;
  Definitions& definitions_;
  exec::WorkerPool& helpers_;
  const base::Clock& clock_;
  guard::Gate& gate_;
  guard::RateLimits& limits_;
  const IntakeOptions options_;

  std::shared_ptr<const clinical::Catalog> catalog_;
  uint64_t catalog_version_ = 0;

  std::unique_ptr<journal::Handover> gathering_;
  int64_t gathering_since_ns_ = 0;
  std::vector<std::unique_ptr<journal::Handover>> spare_;
  std::string head_;  // scratch, keeps its capacity
  Answer stored_;     // likewise

  net::Unanswered<Origin> waiting_;
  std::vector<std::unique_ptr<Batch>> batches_;

  std::mutex returned_mutex_;
  std::vector<std::unique_ptr<journal::Handover>> returned_;  // guarded by returned_mutex_
  std::vector<std::unique_ptr<journal::Handover>> collected_;

  IntakeStats stats_;
};

}  // namespace weir::epro

#include "net/client/otlp_exporter.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "exec/thread.h"
#include "guard/retry_budget.h"
#include "net/client/outcome.h"

namespace weir::net {

using base::ErrorCode;
using base::Result;
using base::Status;

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int kLookMs = 250;  // how soon an operator's order to the breaker is seen
constexpr size_t kAnswerBytesMax = 4096;
// The clock that is shown may be set; a step that is smaller than this is its grain.
constexpr int64_t kClockStepNs = 2 * kNsPerMs;

using Answered = Result<ClientResponse>;

// What reaches the exporter's thread from others. Shared with a request that outlives the exporter.
struct Mailbox {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Answered> answer;
  std::optional<int64_t> stop_at_ns;  // stopping: nothing is sent any more from then on
};

// OTLP's list, specification 1.3: "OTLP/HTTP Response", "Failures".
bool IsWorthAnother(const Answered& answer) {
  if (!answer) return answer.error().code != ErrorCode::kStopped;
  const int status = answer->status;
  return status == 429 || status == 502 || status == 503 || status == 504;
}

int64_t AskedToWaitMs(const Answered& answer, int64_t now_ms) {
  return answer ? ParseRetryAfter(answer->Header("retry-after"), now_ms).value_or(0) : 0;
}

class ExporterImpl final : public OtlpExporter {
 public:
  ExporterImpl(OtlpOptions options, observe::SpanQueue& queue, Client& client,
               guard::Dependency& breaker, const base::Clock& clock)
      : options_(std::move(options)),
        queue_(queue),
        client_(client),
        breaker_(breaker),
        clock_(clock),
        random_(options_.seed) {
    thread_ = std::thread([this] { Run(); });
  }
  ~ExporterImpl() override { Stop(); }

  void Stop() override {
    {
      const std::lock_guard lock(mailbox_->mutex);
      if (!mailbox_->stop_at_ns) mailbox_->stop_at_ns = Now() + options_.timeout_ms * kNsPerMs;
    }
    queue_.Close();
    mailbox_->changed.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  OtlpStats stats() const override {
    const std::lock_guard lock(stats_mutex_);
    OtlpStats stats = stats_;
    stats.took = took_.snapshot();
    return stats;
  }

 private:
  using Batch = std::vector<observe::Span>;

  void Run() {
    exec::SetThreadName("otlp");
    Batch batch;
    while (Gather(&batch)) {
      Export(batch);
      batch.clear();
    }
  }

  // False: the queue is closed and empty.
  bool Gather(Batch* batch) {
    std::optional<observe::Span> span;
    while (!(span = queue_.Take(kLookMs))) {
      if (Stopping()) return false;
    }
    size_t bytes = observe::BytesOf(*span);
    batch->push_back(std::move(*span));
    const int64_t until_ns = Now() + options_.linger_ms * kNsPerMs;
    while (batch->size() < options_.batch_max && bytes < options_.batch_bytes_max) {
      span = queue_.Take(static_cast<int>((until_ns - Now()) / kNsPerMs));
      if (!span) break;
      bytes += observe::BytesOf(*span);
      batch->push_back(std::move(*span));
    }
    return true;
  }

  void Export(const Batch& batch) {
    const std::string json = OtlpTraces(options_.resource, batch, UnixMinusSteadyNs());
    auto packed = options_.gzip ? Gzip(json) : Result<std::string>(json);
    budget_.Called();
    for (uint32_t attempt = 1;; ++attempt) {
      const auto permit = WaitForBreaker();
      if (!permit || !packed) break;
      const Answered answer = Send(*packed);
      breaker_.Ended(*permit, OutcomeOf(answer), Now());
      if (answer && answer->status / 100 == 2) {
        const uint64_t rejected = std::min<uint64_t>(RejectedSpans(answer->body), batch.size());
        return Count([&](OtlpStats& stats) {
          stats.rejected += rejected;
          stats.exported += batch.size() - rejected;
        });
      }
      if (!IsWorthAnother(answer) || !budget_.TryRetry()) break;
      const int64_t wait_ms =
          guard::BackoffMs(attempt, options_.retry_min_ms, options_.retry_max_ms, draw_(random_));
      const int64_t asked_ms = AskedToWaitMs(answer, clock_.WallMs());
      if (!WaitMs(std::max(wait_ms, std::min<int64_t>(asked_ms, options_.retry_max_ms)))) break;
    }
    Count([&](OtlpStats& stats) { stats.failed += batch.size(); });
  }

  // Nothing: the exporter's time is up.
  std::optional<guard::Dependency::Permit> WaitForBreaker() {
    while (LeftMs() > 0) {
      if (const auto permit = breaker_.Allow(Now(), draw_(random_))) return permit;
      const int64_t wait_ms = (breaker_.RetryNs(Now()) - Now()) / kNsPerMs + 1;
      if (!WaitMs(std::clamp<int64_t>(wait_ms, 1, kLookMs))) break;
    }
    return std::nullopt;
  }

  Answered Send(const std::string& body) {
    ClientRequest request;
    request.url = options_.url;
    request.headers = options_.headers;
    request.headers.emplace_back("Content-Type", "application/json");
    if (options_.gzip) request.headers.emplace_back("Content-Encoding", "gzip");
    request.body = body;
    request.timeout_ms = static_cast<int>(std::min<int64_t>(options_.timeout_ms, LeftMs()));
    request.response_bytes_max = kAnswerBytesMax;
    const int64_t start_ns = Now();
    Count([](OtlpStats& stats) { ++stats.batches; });
    const Status sent = client_.Send(std::move(request), [mailbox = mailbox_](Answered answer) {
      {
        const std::lock_guard lock(mailbox->mutex);
        mailbox->answer = std::move(answer);
      }
      mailbox->changed.notify_all();
    });
    if (!sent) return base::Fail(sent.error());
    std::unique_lock lock(mailbox_->mutex);  // it comes within its time-out
    mailbox_->changed.wait(lock, [this] { return mailbox_->answer.has_value(); });
    Answered answer = std::move(*mailbox_->answer);
    mailbox_->answer.reset();
    lock.unlock();
    took_.Observe(static_cast<uint64_t>(std::max<int64_t>(0, Now() - start_ns)));
    return answer;
  }

  bool Stopping() const {
    const std::lock_guard lock(mailbox_->mutex);
    return mailbox_->stop_at_ns.has_value();
  }

  // Until nothing may be sent any more.
  int64_t LeftMs() const {
    const std::lock_guard lock(mailbox_->mutex);
    return LeftMsLocked();
  }
  int64_t LeftMsLocked() const {
    if (!mailbox_->stop_at_ns) return INT64_MAX;
    return std::max<int64_t>(0, (*mailbox_->stop_at_ns - Now()) / kNsPerMs);
  }

  // False: the time was up before. A stop that begins meanwhile shortens it to what is left.
  bool WaitMs(int64_t wait_ms) {
    const int64_t until_ns = Now() + wait_ms * kNsPerMs;
    std::unique_lock lock(mailbox_->mutex);
    while (Now() < until_ns) {
      const int64_t left_ms = LeftMsLocked();
      if (left_ms == 0) return false;
      const int64_t rest_ms = (until_ns - Now()) / kNsPerMs + 1;
      mailbox_->changed.wait_for(lock, std::chrono::milliseconds(std::min(rest_ms, left_ms)));
    }
    return true;
  }

  // Kept while the clock that is shown is not set, so that the spans of one trace fit together.
  int64_t UnixMinusSteadyNs() {
    const int64_t now_ns = clock_.WallMs() * kNsPerMs - Now();
    if (!unix_minus_steady_ns_ || std::abs(now_ns - *unix_minus_steady_ns_) > kClockStepNs) {
      unix_minus_steady_ns_ = now_ns;
    }
    return *unix_minus_steady_ns_;
  }

  template <class F>
  void Count(F&& change) {
    const std::lock_guard lock(stats_mutex_);
    change(stats_);
  }

  int64_t Now() const { return clock_.SteadyNs(); }

  const OtlpOptions options_;
  observe::SpanQueue& queue_;
  Client& client_;
  guard::Dependency& breaker_;
  const base::Clock& clock_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();

  // The thread's own.
  guard::RetryBudget budget_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> draw_;
  std::optional<int64_t> unix_minus_steady_ns_;

  mutable std::mutex stats_mutex_;
  OtlpStats stats_;          // guarded by stats_mutex_
  observe::Histogram took_;  // the thread writes it

  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<OtlpExporter>> OtlpExporter::Start(OtlpOptions options,
                                                          observe::SpanQueue& queue, Client& client,
                                                          guard::Dependency& breaker,
                                                          const base::Clock& clock) {
  WEIR_RETURN_IF_ERROR(CheckRequest({.url = options.url, .headers = options.headers}));
  return std::make_unique<ExporterImpl>(std::move(options), queue, client, breaker, clock);
}

}  // namespace weir::net

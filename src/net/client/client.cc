#include "net/client/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/clock.h"
#include "net/client/transfer.h"

namespace weir::net {

using base::ErrorCode;
using base::Result;
using base::Status;

namespace {

constexpr int64_t kNsPerMs = 1'000'000;

struct CloseMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
using Multi = std::unique_ptr<CURLM, CloseMulti>;

bool HasLineBreak(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

class CurlClient final : public Client {
 public:
  CurlClient(ClientOptions options, Multi multi)
      : options_(std::move(options)), multi_(std::move(multi)) {
    curl_multi_setopt(multi_.get(), CURLMOPT_MAX_TOTAL_CONNECTIONS,
                      static_cast<long>(options_.connections_max));
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS,
                      static_cast<long>(options_.connections_max));
    thread_ = std::thread([this] { Run(); });
  }

  ~CurlClient() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_.get());
    thread_.join();
  }

  Status Send(ClientRequest request, Done done) override {
    WEIR_RETURN_IF_ERROR(CheckRequest(request));
    const int64_t deadline = Now() + request.timeout_ms * kNsPerMs;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return base::Fail(ErrorCode::kStopped, "the HTTP client has stopped");
      if (open_requests_ >= options_.requests_max) {
        return base::Fail(ErrorCode::kBacklogFull, "too many outbound requests are under way");
      }
      ++open_requests_;
      handed_over_.push_back(
          std::make_unique<Transfer>(std::move(request), std::move(done), deadline));
    }
    curl_multi_wakeup(multi_.get());
    return {};
  }

 private:
  using TransferPtr = std::unique_ptr<Transfer>;

  static int64_t Now() { return base::SystemClock().SteadyNs(); }

  void Run() {
    pthread_setname_np(pthread_self(), "http-client");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are the main thread's affair
    while (TakeHandedOver()) {
      ExpireWaiting();
      StartWaiting();
      int running = 0;
      curl_multi_perform(multi_.get(), &running);
      const bool finished = FinishDone();
      if (!finished) curl_multi_poll(multi_.get(), nullptr, 0, WaitMs(), nullptr);
    }
    CancelAll();
  }

  // False: the client stops.
  bool TakeHandedOver() {
    const std::lock_guard lock(mutex_);
    for (TransferPtr& transfer : handed_over_) waiting_.push_back(std::move(transfer));
    handed_over_.clear();
    return !stopping_;
  }

  // Those that met their deadline before there was a connection for them.
  void ExpireWaiting() {
    const int64_t now = Now();
    if (now < first_deadline_ns_) return;
    first_deadline_ns_ = INT64_MAX;
    std::deque<TransferPtr> kept;
    for (TransferPtr& transfer : waiting_) {
      if (transfer->deadline_ns() <= now) {
        transfer->Fail({ErrorCode::kDeadline, "no connection was free within the time allowed"});
        Close(1);
      } else {
        first_deadline_ns_ = std::min(first_deadline_ns_, transfer->deadline_ns());
        kept.push_back(std::move(transfer));
      }
    }
    waiting_ = std::move(kept);
  }

  void StartWaiting() {
    while (!waiting_.empty() && active_.size() < options_.connections_max) {
      TransferPtr transfer = std::move(waiting_.front());
      waiting_.pop_front();
      Easy easy = TakeEasy();
      if (!easy) {
        transfer->Fail({ErrorCode::kUnavailable, "no memory for an outbound request"});
        Close(1);
        continue;
      }
      const int64_t left_ms = (transfer->deadline_ns() - Now()) / kNsPerMs;
      transfer->Prepare(std::move(easy), options_, static_cast<int>(std::max<int64_t>(left_ms, 1)));
      CURL* const handle = transfer->easy();
      curl_multi_add_handle(multi_.get(), handle);
      active_.emplace(handle, std::move(transfer));
    }
    for (const TransferPtr& transfer : waiting_) {
      first_deadline_ns_ = std::min(first_deadline_ns_, transfer->deadline_ns());
    }
  }

  bool FinishDone() {
    bool any = false;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      const auto found = active_.find(message->easy_handle);
      TransferPtr transfer = std::move(found->second);
      active_.erase(found);
      curl_multi_remove_handle(multi_.get(), transfer->easy());
      transfer->Finish(code);
      free_.push_back(transfer->Release());
      Close(1);
      any = true;
    }
    return any;
  }

  // At most a second: it is woken for what comes sooner, but for the deadline of one that waits.
  int WaitMs() const {
    const int64_t until_ms = waiting_.empty() ? 1000 : (first_deadline_ns_ - Now()) / kNsPerMs + 1;
    return static_cast<int>(std::clamp<int64_t>(until_ms, 1, 1000));
  }

  void CancelAll() {
    const base::Error stopped{ErrorCode::kStopped, "the HTTP client has stopped"};
    for (auto& [handle, transfer] : active_) {
      curl_multi_remove_handle(multi_.get(), handle);
      transfer->Fail(stopped);
    }
    for (TransferPtr& transfer : waiting_) transfer->Fail(stopped);
    Close(active_.size() + waiting_.size());
    active_.clear();
    waiting_.clear();
    free_.clear();
  }

  Easy TakeEasy() {
    if (free_.empty()) return Easy(curl_easy_init());
    Easy easy = std::move(free_.back());
    free_.pop_back();
    return easy;
  }

  void Close(size_t count) {
    const std::lock_guard lock(mutex_);
    open_requests_ -= count;
  }

  const ClientOptions options_;
  const Multi multi_;

  std::mutex mutex_;  // guards the next three
  std::vector<TransferPtr> handed_over_;
  size_t open_requests_ = 0;
  bool stopping_ = false;

  // The thread's own.
  std::deque<TransferPtr> waiting_;
  int64_t first_deadline_ns_ = INT64_MAX;  // not later than that of any in waiting_
  std::unordered_map<CURL*, TransferPtr> active_;
  std::vector<Easy> free_;

  std::thread thread_;
};

}  // namespace

Status CheckRequest(const ClientRequest& request) {
  WEIR_RETURN_IF_ERROR(CheckUrl(request.url));
  bool broken = HasLineBreak(request.method);
  for (const auto& [name, value] : request.headers) {
    broken = broken || HasLineBreak(name) || HasLineBreak(value);
  }
  if (!broken) return {};
  return base::Fail(ErrorCode::kInvalidArgument, "a header must not hold a line break");
}

Result<std::unique_ptr<Client>> Client::Start(const ClientOptions& options) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (initialised != CURLE_OK) {
    return base::Fail(ErrorCode::kUnavailable, curl_easy_strerror(initialised));
  }
  if (options.connections_max == 0 || options.requests_max == 0) {
    return base::Fail(ErrorCode::kInvalidArgument, "connections_max and requests_max must be > 0");
  }
  Multi multi(curl_multi_init());
  if (!multi) return base::Fail(ErrorCode::kUnavailable, "libcurl cannot start");
  return std::unique_ptr<Client>(std::make_unique<CurlClient>(options, std::move(multi)));
}

}  // namespace weir::net

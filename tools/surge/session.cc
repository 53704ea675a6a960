#include "tools/surge/session.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "tools/surge/http2_frame.h"
#include "tools/surge/progress_bar.h"
#include "tools/surge/report_request.h"

namespace weir::surge {
namespace {

constexpr int64_t kConnectNs = 10'000'000'000;
constexpr int64_t kFirstConnectNs = 2'000'000'000;
constexpr int kStreamOpenMs = 5'000;
constexpr auto kWatchEvery = std::chrono::milliseconds(100);
// Descriptors that are not reports' connections: standard streams, epolls, the stream, the API.
constexpr rlim_t kOtherDescriptors = 96;
constexpr unsigned kReadBackConnections = 64;  // after HTTP/2, whose own are closed then
// The first report is due this long after the schedule is made: the threads have started by then.
constexpr int64_t kLeadNs = 50'000'000;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

base::Status RaiseDescriptorLimit(unsigned connections) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= connections + kOtherDescriptors) return {};
  return base::Fail(base::ErrorCode::kTooLarge,
                    "this process may open " + std::to_string(limit.rlim_cur) +
                        " descriptors: give --connections " +
                        std::to_string(limit.rlim_cur - kOtherDescriptors) + " or less");
}

PlanOptions PlanFor(const Options& options) {
  return {.seed = options.seed,
          .patients = options.patients,
          .resend = options.resend,
          .urgent_share = options.urgent_share,
          .elevated_share = options.elevated_share,
          .instrument = options.instrument};
}

uint64_t Load(const std::atomic<uint64_t>& counter) {
  return counter.load(std::memory_order_relaxed);
}

}  // namespace

Session::Session(const Options& options, const std::atomic<bool>& stop)
    : options_(options), stop_(stop), plan_(PlanFor(options)) {}

base::Status Session::Run() {
  WEIR_RETURN_IF_ERROR(Connect());
  if (options_.tracks()) ledger_ = std::make_unique<Ledger>(options_.reports, SteadyNs());
  api_ = std::make_unique<ApiClient>(*target_, options_);
  if (options_.verify) counted_before_ = CountBefore(*api_, options_);
  if (options_.alerts && ledger_) OpenStream();
  Play();
  if (options_.verify && !stop_.load()) {
    if (options_.http2) {  // reading back is no matter of speed: over HTTP/1.1
      workers_.clear();
      WEIR_ASSIGN_OR_RETURN(workers_, MakeWorkers(Http1(), kReadBackConnections));
    }
    Verify();
  }
  if (stream_) {
    stream_->Stop();
    GatherAlerts();
  }
  figures_.interrupted = stop_.load();
  return {};
}

base::Status Session::Connect() {
  WEIR_RETURN_IF_ERROR(RaiseDescriptorLimit(options_.connections));
  WEIR_ASSIGN_OR_RETURN(target_, Target::Resolve(options_.host, options_.port));
  if (options_.tls) {
    WEIR_ASSIGN_OR_RETURN(auto tls, TlsClient::Make({.host = options_.host,
                                                     .ca_file = options_.ca_file,
                                                     .insecure = options_.insecure}));
    target_->SetTls(std::move(tls));
  }
  const Protocol protocol = MakeProtocol();
  WEIR_ASSIGN_OR_RETURN(const auto first, Worker::Create(*target_, protocol, 1, 0));
  unsigned stands = first->Connect(SteadyNs() + kFirstConnectNs);
  if (stands == 0 && first->opening()) stands = first->Connect(SteadyNs() + kConnectNs);
  if (stands == 0) {
    const std::string why = first->error().empty() ? "" : ": " + first->error();
    return base::Fail(base::ErrorCode::kUnavailable, "no connection to " + target_->name() + why);
  }
  WEIR_ASSIGN_OR_RETURN(workers_, MakeWorkers(protocol, options_.connections));
  const int64_t deadline = SteadyNs() + kConnectNs;
  for (const auto& worker : workers_) figures_.connected += worker->Connect(deadline);
  if (figures_.connected < options_.connections) {
    std::fprintf(stderr, "weir surge: %u of %u connections stand; the others are tried again\n",
                 figures_.connected, options_.connections);
  }
  return {};
}

Protocol Session::MakeProtocol() {
  const ReportRequest request(plan_, options_);
  figures_.request_bytes = request.bytes();
  if (!options_.http2) return Http1();
  auto head = std::make_shared<const Http2Head>(SubmissionHead(options_, request.body_bytes()));
  figures_.request_bytes = 2 * kFrameHeadBytes + head->later().size() + request.body_bytes();
  return Http2(std::move(head), options_.streams);
}

base::Result<std::vector<std::unique_ptr<Worker>>> Session::MakeWorkers(const Protocol& protocol,
                                                                        unsigned connections) {
  std::vector<std::unique_ptr<Worker>> workers;
  uint64_t first = 0;
  for (unsigned i = 0; i < options_.workers; ++i) {
    const unsigned share =
        connections / options_.workers + (i < connections % options_.workers ? 1 : 0);
    WEIR_ASSIGN_OR_RETURN(auto worker, Worker::Create(*target_, protocol, share, first));
    first += share;
    workers.push_back(std::move(worker));
  }
  return workers;
}

void Session::OpenStream() {
  stream_ = std::make_unique<AlertStream>(*target_, options_, plan_, *ledger_, findings_);
  if (stream_->WaitOpen(kStreamOpenMs)) return;
  const std::string why = stream_->refused_status() > 0
                              ? "answered " + std::to_string(stream_->refused_status())
                              : "did not answer";
  std::fprintf(stderr, "weir surge: the stream of alerts %s; alerts are not measured\n",
               why.c_str());
}

Schedule Session::MakeSchedule() const {
  Schedule schedule;
  schedule.start_ns = SteadyNs() + kLeadNs;
  schedule.closed_loop = options_.closed_loop;
  schedule.measure_from_ns = schedule.start_ns + static_cast<int64_t>(options_.warm_up_s * 1e9);
  if (options_.closed_loop) {
    if (options_.seconds > 0) {
      schedule.end_ns = schedule.measure_from_ns + static_cast<int64_t>(options_.seconds * 1e9);
    }
    if (options_.warm_up_s == 0) schedule.measure_from_ns = 0;
  } else {
    schedule.interval_ns = options_.over_s * 1e9 / static_cast<double>(options_.reports);
  }
  return schedule;
}

void Session::Play() {
  // Whoever watches the output knows by this line that reports are on their way.
  const std::string told = DescribePlan(options_);
  std::printf("playing        %s\n", told.c_str());
  std::fflush(stdout);
  const Schedule schedule = MakeSchedule();
  std::vector<Progress> progress(workers_.size());
  std::vector<std::unique_ptr<Submitter>> submitters;
  std::vector<std::thread> threads;
  std::atomic<unsigned> running{static_cast<unsigned>(workers_.size())};
  const double cpu_before = CpuSeconds();
  for (uint64_t i = 0; i < workers_.size(); ++i) {
    submitters.push_back(std::make_unique<Submitter>(plan_, options_, schedule,
                                                     Submitter::Share{i, workers_.size()},
                                                     ledger_.get(), findings_, progress[i]));
  }
  for (size_t i = 0; i < workers_.size(); ++i) {
    threads.emplace_back([&, i] {
      workers_[i]->Run(*submitters[i], stop_);
      running.fetch_sub(1);
    });
  }
  WatchPlay(progress, running, schedule.start_ns);
  for (std::thread& thread : threads) thread.join();
  const double cpu = CpuSeconds() - cpu_before;
  Gather(progress, submitters, schedule);
  if (figures_.sent > 0)
    figures_.cpu_us_per_request = cpu * 1e6 / static_cast<double>(figures_.sent);
}

void Session::WatchPlay(const std::vector<Progress>& progress, const std::atomic<unsigned>& running,
                        int64_t start_ns) {
  ProgressBar bar;
  uint64_t before = 0;
  while (running.load() > 0) {
    std::this_thread::sleep_for(kWatchEvery);
    if (!bar.shown()) continue;
    uint64_t acknowledged = 0, again = 0;
    for (const Progress& one : progress) {
      acknowledged += Load(one.acknowledged);
      again +=
          Load(one.retried_429) + Load(one.retried_503) + Load(one.retried_507) + Load(one.resent);
    }
    const double elapsed = static_cast<double>(SteadyNs() - start_ns) / 1e9;
    const double per_second = static_cast<double>(acknowledged - before) /
                              std::chrono::duration<double>(kWatchEvery).count();
    before = acknowledged;
    char note[160];
    std::snprintf(note, sizeof note, "acknowledged  %s/s  %.1f s  %s alerts  %s sent again",
                  WithCommas(static_cast<uint64_t>(per_second)).c_str(), elapsed,
                  WithCommas(stream_ ? stream_->alerts() : 0).c_str(), WithCommas(again).c_str());
    bar.Draw("reports", acknowledged, options_.reports, note);
  }
}

void Session::Gather(const std::vector<Progress>& progress,
                     const std::vector<std::unique_ptr<Submitter>>& submitters,
                     const Schedule& schedule) {
  for (const Progress& one : progress) {
    figures_.sent += Load(one.sent);
    figures_.acknowledged += Load(one.acknowledged);
    figures_.repeats += Load(one.repeats);
    figures_.measured += Load(one.measured);
    figures_.retried_429 += Load(one.retried_429);
    figures_.retried_503 += Load(one.retried_503);
    figures_.retried_504 += Load(one.retried_504);
    figures_.retried_507 += Load(one.retried_507);
    figures_.resent += Load(one.resent);
    figures_.refused += Load(one.refused);
    figures_.given_up += Load(one.given_up);
  }
  for (const auto& submitter : submitters) {
    figures_.latency.Merge(submitter->latency());
    last_acknowledged_ns_ = std::max(last_acknowledged_ns_, submitter->last_acknowledged_ns());
  }
  for (const auto& worker : workers_) {
    figures_.broken += worker->broken();
    figures_.taken_back += worker->taken_back();
  }
  const int64_t from = std::max(schedule.start_ns, schedule.measure_from_ns);
  figures_.seconds = static_cast<double>(std::max<int64_t>(last_acknowledged_ns_ - from, 0)) / 1e9;
}

void Session::Verify() {
  figures_.verified = true;
  ProgressBar bar;
  bar.Draw("waiting for the tasks", 0, 0, "");
  const base::Status applied = WaitApplied(*api_, options_.settle_s, stop_);
  if (applied) {
    figures_.applied_s = static_cast<double>(SteadyNs() - last_acknowledged_ns_) / 1e9;
  } else {
    findings_.Add(Finding::kNotApplied, applied.error().message);
  }
  std::atomic<uint64_t> read{0};
  std::atomic<bool> done{false};
  std::thread watch([&] {
    while (!done.load()) {
      bar.Draw("reading back", read.load(), figures_.acknowledged, "");
      std::this_thread::sleep_for(kWatchEvery);
    }
  });
  Verifier verifier(plan_, options_, *ledger_, findings_, *api_, workers_, stop_);
  const Verified verified = verifier.Run(applied.has_value(), stream_.get(), counted_before_, read);
  done.store(true);
  watch.join();
  figures_.read_back = verified.read_back;
  figures_.alerts_listed = verified.alerts_listed;
  figures_.counted = verified.counted;
}

void Session::GatherAlerts() {
  AlertFigures& alerts = figures_.alerts;
  alerts.streamed = stream_->was_open();
  for (uint64_t i = 0; i < ledger_->size(); ++i) {
    if (!ledger_->acknowledged(i) || ledger_->streamed(i) == 0) continue;
    const bool urgent = plan_.LevelOf(i) == Level::kUrgent;
    ++(urgent ? alerts.urgent : alerts.elevated);
    (urgent ? alerts.urgent_latency : alerts.elevated_latency).Record(ledger_->AlertLatencyNs(i));
  }
}

}  // namespace weir::surge

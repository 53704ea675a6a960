#include "tools/surge/verifier.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "tools/surge/read_back.h"

namespace weir::surge {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
// From the tasks' word that all is applied until the last event has reached us.
constexpr int64_t kStreamNs = 10 * kSecondNs;
constexpr double kCaughtUpBeforeSeconds = 5;

void Pause(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

std::string AnalyticsPath(const Options& options) {
  return "/api/v1/studies/" + PercentEncoded(options.study_name()) + "/analytics";
}

base::Result<uint64_t> Received(ApiClient& api, const Options& options) {
  WEIR_ASSIGN_OR_RETURN(const std::string body, api.GetBody(AnalyticsPath(options)));
  return JsonReader().ReadReceived(body);
}

// Empty: all is applied. Otherwise the task that lags most.
base::Result<std::string> Lagging(ApiClient& api) {
  WEIR_ASSIGN_OR_RETURN(const std::string body, api.GetBody("/api/v1/tasks"));
  WEIR_ASSIGN_OR_RETURN(const auto tasks, JsonReader().ReadTasks(body));
  if (tasks.empty()) return std::string("no task is known to the server");
  const auto& worst = *std::ranges::max_element(tasks, {}, &TaskShape::lag);
  if (worst.lag == 0) return std::string();
  return worst.name + " is " + worst.state + " and lags by " + std::to_string(worst.lag);
}

}  // namespace

base::Status WaitApplied(ApiClient& api, double seconds, const std::atomic<bool>& stop) {
  const int64_t deadline = SteadyNs() + static_cast<int64_t>(seconds * kSecondNs);
  while (true) {
    const auto lagging = Lagging(api);
    if (lagging && lagging->empty()) return {};
    if (SteadyNs() >= deadline || stop.load()) {
      return base::Fail(base::ErrorCode::kDeadline,
                        lagging ? *lagging : base::ToString(lagging.error()));
    }
    Pause(20);
  }
}

std::optional<uint64_t> CountBefore(ApiClient& api, const Options& options) {
  if (!WaitApplied(api, kCaughtUpBeforeSeconds, std::atomic<bool>(false))) return std::nullopt;
  const auto received = Received(api, options);
  if (received) return *received;
  // A study that nobody has written to yet may be unknown.
  if (received.error().code == base::ErrorCode::kNotFound) return 0;
  return std::nullopt;
}

Verifier::Verifier(const Plan& plan, const Options& options, Ledger& ledger, Findings& findings,
                   ApiClient& api, std::vector<std::unique_ptr<Worker>>& workers,
                   const std::atomic<bool>& stop)
    : plan_(plan),
      options_(options),
      ledger_(ledger),
      findings_(findings),
      api_(api),
      workers_(workers),
      stop_(stop) {}

Verified Verifier::Run(bool applied, AlertStream* stream, std::optional<uint64_t> counted_before,
                       std::atomic<uint64_t>& read) {
  Verified verified;
  verified.alerts_listed = ListAlerts();
  const bool streamed = stream && stream->was_open();
  if (stream) {
    if (applied && streamed) AwaitStream(*stream);
    stream->Stop();
    if (!streamed) {
      findings_.Add(Finding::kUnusable,
                    "the stream of alerts: " + std::to_string(stream->refused_status()));
    }
  }
  if (applied) {
    CheckAlerts(streamed);
    verified.counted = CheckAnalytics(counted_before);
  }
  CheckOffsets();
  verified.read_back = ReadAll(applied, read);
  return verified;
}

void Verifier::CheckOffsets() {
  std::vector<uint64_t> offsets;
  offsets.reserve(ledger_.size());
  for (const uint64_t offset : ledger_.offsets()) {
    if (offset != Ledger::kNoOffset) offsets.push_back(offset);
  }
  std::ranges::sort(offsets);
  for (size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] == offsets[i - 1]) {
      findings_.Add(Finding::kDoubled,
                    "two reports were acknowledged at offset " + std::to_string(offsets[i]));
    }
  }
}

uint64_t Verifier::ReadAll(bool applied, std::atomic<uint64_t>& read) {
  std::vector<std::unique_ptr<ReadBack>> scripts;
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < workers_.size(); ++i) {
    scripts.push_back(std::make_unique<ReadBack>(
        plan_, options_, Submitter::Share{i, workers_.size()}, ledger_, applied, findings_, read));
  }
  for (size_t i = 0; i < workers_.size(); ++i) {
    threads.emplace_back([&, i] { workers_[i]->Run(*scripts[i], stop_); });
  }
  for (std::thread& thread : threads) thread.join();
  return read.load();
}

uint64_t Verifier::ListAlerts() {
  uint64_t listed = 0;
  std::optional<std::string> path =
      "/api/v1/alerts?limit=1000&study=" + PercentEncoded(options_.study_name());
  while (path && !stop_.load()) {
    const auto body = api_.GetBody(*path);
    if (!body) {
      findings_.Add(Finding::kUnusable, "the list of alerts: " + body.error().message);
      return listed;
    }
    const auto next = json_.ReadAlerts(*body, [&](const AlertShape& alert) {
      const auto index = plan_.IndexOf(alert.report_id);
      if (!index || *index >= ledger_.size()) return;
      ++listed;
      ledger_.List(*index);
      const Level level = plan_.LevelOf(*index);
      if ((level == Level::kUrgent) != (alert.level == "urgent")) {
        findings_.Add(Finding::kAlertUnexpected,
                      plan_.Describe(*index) + ": its level is " + std::string(alert.level));
      }
    });
    if (!next) {
      findings_.Add(Finding::kUnusable, "the list of alerts: " + next.error().message);
      return listed;
    }
    path = *next;
  }
  return listed;
}

void Verifier::AwaitStream(const AlertStream& stream) {
  uint64_t expected = 0;
  for (uint64_t i = 0; i < ledger_.size(); ++i) expected += ledger_.listed(i) > 0;
  const auto allowed = static_cast<int64_t>(options_.settle_s * kSecondNs);
  const int64_t deadline = SteadyNs() + std::min(kStreamNs, allowed);
  while (stream.alerts() < expected && SteadyNs() < deadline && !stop_.load()) Pause(5);
}

void Verifier::CheckAlerts(bool streamed) {
  // A patient's second report may also be elevated by its rise over the first.
  const bool compared = options_.reports > options_.patients;
  for (uint64_t i = 0; i < ledger_.size(); ++i) {
    const bool due = plan_.LevelOf(i) != Level::kNone && ledger_.acknowledged(i);
    const unsigned listed = ledger_.listed(i);
    if (due && listed == 0) {
      findings_.Add(Finding::kAlertMissing, plan_.Describe(i) + ": no alert in the list");
    } else if (listed > 1) {
      findings_.Add(Finding::kAlertDoubled,
                    plan_.Describe(i) + ": listed " + std::to_string(listed) + " times");
    } else if (plan_.LevelOf(i) == Level::kNone && listed > 0 && !compared) {
      findings_.Add(Finding::kAlertUnexpected, plan_.Describe(i) + ": it shows no risk");
    }
    if (!streamed) continue;
    if (ledger_.streamed(i) > 1) {
      findings_.Add(Finding::kAlertDoubled, plan_.Describe(i) + ": several alerts on the stream");
    } else if (listed > 0 && ledger_.streamed(i) == 0) {
      findings_.Add(Finding::kAlertMissing,
                    plan_.Describe(i) + ": its alert never came on the stream");
    }
  }
}

std::optional<uint64_t> Verifier::CheckAnalytics(std::optional<uint64_t> before) {
  const auto received = Received(api_, options_);
  if (!received) {
    findings_.Add(Finding::kUnusable, "the analytics: " + received.error().message);
    return std::nullopt;
  }
  if (!before) return std::nullopt;
  uint64_t acknowledged = 0;
  for (uint64_t i = 0; i < ledger_.size(); ++i) acknowledged += ledger_.acknowledged(i);
  const uint64_t counted = *received - *before;
  const std::string told = "the analytics counted " + std::to_string(counted) + " reports, " +
                           std::to_string(acknowledged) + " were acknowledged";
  // What was sent and never acknowledged may have been kept.
  const uint64_t possible = acknowledged + findings_.count(Finding::kUnacknowledged);
  if (counted < acknowledged) findings_.Add(Finding::kMissing, told);
  if (counted > possible) findings_.Add(Finding::kDoubled, told);
  return counted;
}

}  // namespace weir::surge

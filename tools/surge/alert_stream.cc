#include "tools/surge/alert_stream.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>

#include "tools/surge/answer_parser.h"
#include "tools/surge/api_client.h"
#include "tools/surge/report_request.h"
#include "tools/surge/worker.h"

namespace weir::surge {
namespace {

constexpr int kReconnectMs = 100;
constexpr int kTimeoutSeconds = 15;  // of what is not waited for otherwise
// The server sends a comment every 15 s; silence for longer means that it has gone.
constexpr int kSilenceMs = 60'000;

std::string PathOf(const Options& options) {
  return "/api/v1/alerts/stream?study=" + PercentEncoded(options.study_name());
}

}  // namespace

AlertStream::AlertStream(const Target& target, const Options& options, const Plan& plan,
                         Ledger& ledger, Findings& findings)
    : target_(target),
      headers_(CommonHeaders(options)),
      path_(PathOf(options)),
      plan_(plan),
      ledger_(ledger),
      findings_(findings),
      wake_fd_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Follow(); }) {}

AlertStream::~AlertStream() {
  Stop();
  close(wake_fd_);
}

void AlertStream::Stop() {
  if (stopping_.exchange(true)) return;
  eventfd_write(wake_fd_, 1);
  thread_.join();
}

bool AlertStream::WaitOpen(int timeout_ms) {
  const int64_t deadline = SteadyNs() + int64_t{timeout_ms} * 1'000'000;
  while (!open_.load() && SteadyNs() < deadline) {
    const int status = refused_status_.load();
    if (status >= 400 && status < 500) return false;  // asking again will not help
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return open_.load();
}

bool AlertStream::WaitReadable(int fd, int timeout_ms) const {
  pollfd waits[2] = {{wake_fd_, POLLIN, 0}, {fd, POLLIN, 0}};
  const int ready = poll(waits, fd >= 0 ? 2 : 1, timeout_ms);
  return ready > 0 && waits[0].revents == 0;
}

void AlertStream::Follow() {
  while (!stopping_.load()) {
    if (const auto wire = Wire::Connect(target_, kTimeoutSeconds)) {
      const Ended ended = FollowOnce(**wire);
      open_.store(false);
      if (ended == Ended::kStopped) return;
      if (ended == Ended::kBroken) resumed_.fetch_add(1);
    }
    WaitReadable(-1, kReconnectMs);  // returns early when stopping
  }
}

AlertStream::Ended AlertStream::FollowOnce(Wire& wire) {
  parser_.Reset();
  std::string request =
      "GET " + path_ + " HTTP/1.1\r\n" + headers_ + "Accept: text/event-stream\r\n";
  if (!parser_.last_id().empty()) request += "Last-Event-ID: " + parser_.last_id() + "\r\n";
  request += "\r\n";
  if (!wire.Send(request)) return Ended::kBroken;

  const auto on_event = [this](const ServerEvent& event) { OnEvent(event); };
  std::string received, content;
  AnswerHead head;
  bool has_head = false;
  while (WaitReadable(wire.fd(), kSilenceMs)) {
    if (!wire.Receive(received)) return Ended::kBroken;
    if (!has_head) {
      const ParseResult result = ParseHead(received, head);
      if (result == ParseResult::kIncomplete) continue;
      if (result == ParseResult::kMalformed || head.status != 200) {
        refused_status_.store(result == ParseResult::kMalformed ? 502 : head.status);
        return Ended::kRefused;
      }
      has_head = true;
      received.erase(0, head.head_bytes);
      open_.store(true);
      was_open_.store(true);
    }
    if (!head.chunked) {
      parser_.Feed(received, on_event);
      received.clear();
      continue;
    }
    size_t used = 0;
    content.clear();
    const ParseResult result = ChunkReader().Read(received, content, used);
    received.erase(0, used);
    parser_.Feed(content, on_event);
    if (result != ParseResult::kIncomplete) return Ended::kBroken;
  }
  return stopping_.load() ? Ended::kStopped : Ended::kBroken;
}

void AlertStream::OnEvent(const ServerEvent& event) {
  if (event.event != "alert") return;
  const auto alert = json_.ReadAlert(event.data);
  if (!alert) {
    findings_.Add(Finding::kUnusable, "an event of the alert stream: " + alert.error().message);
    return;
  }
  const auto index = plan_.IndexOf(alert->report_id);
  if (!index || *index >= ledger_.size()) return;  // of others
  const unsigned before = ledger_.streamed(*index);
  ledger_.Stream(*index, alert->id, SteadyNs());
  if (before > 0) return;
  alerts_.fetch_add(1, std::memory_order_relaxed);
  if (alert->level == "urgent") urgent_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace weir::surge

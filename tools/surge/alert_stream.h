// Follows the stream of alerts while the reports are sent, as a doctor's screen would, and notes in
// the ledger when the alert of each report came. A stream that breaks is resumed where it was.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "tools/surge/api_shapes.h"
#include "tools/surge/event_parser.h"
#include "tools/surge/findings.h"
#include "tools/surge/ledger.h"
#include "tools/surge/options.h"
#include "tools/surge/plan.h"
#include "tools/surge/target.h"
#include "tools/surge/wire.h"

namespace weir::surge {

class AlertStream {
 public:
  // All must outlive the stream; only this class writes the ledger's streamed alerts.
  AlertStream(const Target& target, const Options& options, const Plan& plan, Ledger& ledger,
              Findings& findings);
  ~AlertStream();
  AlertStream(const AlertStream&) = delete;
  AlertStream& operator=(const AlertStream&) = delete;

  // Blocks until the stream stands, the server has refused it, or the time is up. True: it stands.
  bool WaitOpen(int timeout_ms);
  void Stop();  // idempotent

  // Of this plan's reports, each once; any thread.
  uint64_t alerts() const { return alerts_.load(std::memory_order_relaxed); }
  uint64_t urgent() const { return urgent_.load(std::memory_order_relaxed); }
  bool was_open() const { return was_open_.load(std::memory_order_relaxed); }
  uint64_t resumed() const { return resumed_.load(std::memory_order_relaxed); }
  // HTTP status of the last answer that was not 200; 0: none.
  int refused_status() const { return refused_status_.load(std::memory_order_relaxed); }

 private:
  enum class Ended { kBroken, kRefused, kStopped };
  void Follow();
  Ended FollowOnce(Wire& wire);
  void OnEvent(const ServerEvent& event);
  bool WaitReadable(int fd, int timeout_ms) const;  // false: stopped, or nothing came

  const Target target_;
  const std::string headers_;
  const std::string path_;
  const Plan& plan_;
  Ledger& ledger_;
  Findings& findings_;
  EventParser parser_;
  JsonReader json_;
  int wake_fd_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> open_{false}, was_open_{false};
  std::atomic<uint64_t> alerts_{0}, urgent_{0}, resumed_{0};
  std::atomic<int> refused_status_{0};
  std::thread thread_;
};

}  // namespace weir::surge

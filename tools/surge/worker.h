// One thread, one epoll, many connections: sends what a script has due and brings the answers back.
//
// Each connection carries one request at a time. A connection that breaks is made again after
// kReconnectNs; the script is told which request it took with it.
// Threads: one at a time; Run() blocks.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tools/surge/answer_parser.h"
#include "tools/surge/target.h"

namespace weir::surge {

int64_t SteadyNs();

// What a worker sends, and what becomes of it. Called on the worker's thread only.
class Script {
 public:
  struct Request {
    std::string_view bytes;  // valid until the next call
    uint64_t tag = 0;        // the script's own name for it
    int64_t due_ns = 0;      // steady clock
  };
  virtual ~Script() = default;
  // True: send `request` now. False: nothing is due; ask again at `wake_ns` or after an answer.
  virtual bool Take(int64_t now_ns, Request& request, int64_t& wake_ns) = 0;
  virtual void Answered(uint64_t tag, int64_t due_ns, const Answer& answer, int64_t now_ns) = 0;
  // No answer will come: the connection broke, or what came was not HTTP.
  virtual void Lost(uint64_t tag, int64_t due_ns, int64_t now_ns) = 0;
  // Nothing more is to be sent, apart from what Answered() and Lost() may still bring about.
  virtual bool Done(int64_t now_ns) const = 0;
};

class Worker {
 public:
  static constexpr int64_t kReconnectNs = 50'000'000;
  static constexpr int64_t kAnswerTimeoutNs = 60'000'000'000;

  // `first` numbers this worker's connections among those of all workers.
  static base::Result<std::unique_ptr<Worker>> Create(const Target& target, unsigned connections,
                                                      uint64_t first);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Connects until all connections stand or the time is up; how many do. The others are tried
  // again while a script runs.
  unsigned Connect(int64_t deadline_ns);

  // Until the script is done and all that was sent is answered or lost, or until `stop`.
  void Run(Script& script, const std::atomic<bool>& stop);

  // Connections that broke with a request on them. Any thread.
  uint64_t broken() const { return broken_.load(std::memory_order_relaxed); }
  uint64_t connect_failures() const { return connect_failures_.load(std::memory_order_relaxed); }

 private:
  enum class State : uint8_t { kDown, kConnecting, kIdle, kBusy };
  struct Connection {
    int fd = -1;
    State state = State::kDown;
    bool queued = false;    // in idle_
    bool writable = false;  // EPOLLOUT is asked for
    uint64_t tag = 0;
    int64_t due_ns = 0;
    int64_t sent_ns = 0;
    std::string unsent;
    std::string partial;  // of an answer
  };
  struct Retry {
    int64_t at_ns;
    uint32_t slot;
  };

  Worker(const Target& target, unsigned connections, uint64_t first, int epoll);
  void Start(uint32_t slot, int64_t now_ns);
  void Reconnect(int64_t now_ns);
  int64_t SendDue(int64_t now_ns);
  void Send(Connection& connection, const Script::Request& request, int64_t now_ns);
  void Flush(Connection& connection, int64_t now_ns);
  void Wait(int64_t wake_ns, int64_t now_ns);
  void Handle(uint32_t slot, uint32_t events, int64_t now_ns);
  void Receive(Connection& connection, int64_t now_ns);
  void Free(Connection& connection, int64_t now_ns);
  void Drop(Connection& connection, int64_t now_ns);
  void DropOverdue(int64_t now_ns);
  bool PopIdle(uint32_t& slot);
  void PushIdle(Connection& connection);
  void Watch(Connection& connection, uint32_t events, int operation);
  uint32_t SlotOf(const Connection& connection) const {
    return static_cast<uint32_t>(&connection - connections_.data());
  }

  const Target target_;
  const uint64_t first_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::deque<uint32_t> idle_;
  std::deque<Retry> down_;  // in the order of at_ns
  unsigned connected_ = 0;
  unsigned connecting_ = 0;
  unsigned in_flight_ = 0;
  int64_t next_sweep_ns_ = 0;
  Script* script_ = nullptr;
  AnswerParser parser_;
  std::unique_ptr<char[]> buffer_;
  std::atomic<uint64_t> broken_{0};
  std::atomic<uint64_t> connect_failures_{0};
};

}  // namespace weir::surge

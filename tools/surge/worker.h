// One thread, one epoll, many connections: sends what a script has due and brings the answers back.
//
// A connection carries what its protocol allows: one request at a time over HTTP/1.1, many over
// HTTP/2, either of them in the clear or over TLS. A connection that ends is made again after
// kReconnectNs; the script is told which requests it took with it.
// Threads: one at a time; Run() blocks.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tools/surge/answer_parser.h"
#include "tools/surge/exchange.h"
#include "tools/surge/target.h"

namespace weir::surge {

int64_t SteadyNs();

// What a worker sends, and what becomes of it. Called on the worker's thread only.
class Script {
 public:
  using Request = Outgoing;  // its views are valid until the next call
  virtual ~Script() = default;
  // True: send `request` now. False: nothing is due; ask again at `wake_ns` or after an answer.
  virtual bool Take(int64_t now_ns, Request& request, int64_t& wake_ns) = 0;
  virtual void Answered(uint64_t tag, int64_t due_ns, const Answer& answer, int64_t now_ns) = 0;
  // No answer will come: the connection broke, what came was not HTTP, or the server took the
  // request back.
  virtual void Lost(uint64_t tag, int64_t due_ns, int64_t now_ns) = 0;
  // Nothing more is to be sent, apart from what Answered() and Lost() may still bring about.
  virtual bool Done(int64_t now_ns) const = 0;
};

// What connections speak.
struct Protocol {
  std::string_view alpn;  // its name in TLS
  std::function<std::unique_ptr<Exchange>()> begin;
};
Protocol Http1();
class Http2Head;
// `head` is that of every request.
Protocol Http2(std::shared_ptr<const Http2Head> head, unsigned streams);

class Worker final : private Exchange::Owner {
 public:
  static constexpr int64_t kReconnectNs = 50'000'000;
  static constexpr int64_t kAnswerTimeoutNs = 60'000'000'000;

  // `first` numbers this worker's connections among those of all workers.
  static base::Result<std::unique_ptr<Worker>> Create(const Target& target, Protocol protocol,
                                                      unsigned connections, uint64_t first);
  ~Worker() override;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Connects, through TLS's handshake and HTTP/2's settings, until all connections stand or the
  // time is up; how many do. The others are tried again while a script runs.
  unsigned Connect(int64_t deadline_ns);
  // Whether there is one that the server has accepted and not yet brought to stand.
  bool opening() const { return opening_ > 0; }

  // Until the script is done and all that was sent is answered or lost, or until `stop`.
  void Run(Script& script, const std::atomic<bool>& stop);

  // Connections that broke with a request on them, requests that the server took back. Any thread.
  uint64_t broken() const { return broken_.load(std::memory_order_relaxed); }
  uint64_t taken_back() const { return taken_back_.load(std::memory_order_relaxed); }
  uint64_t connect_failures() const { return connect_failures_.load(std::memory_order_relaxed); }
  // Why a connection did not come to stand or could not be used, the last time. Empty: no reason is
  // known. Not while Run() does.
  const std::string& error() const { return error_; }

 private:
  enum class State : uint8_t {
    kDown,
    kConnecting,
    kOpening,  // TLS's handshake, HTTP/2's settings
    kOpen,
  };
  struct Connection {
    int fd = -1;
    State state = State::kDown;
    bool queued = false;    // in idle_
    bool writable = false;  // EPOLLOUT is asked for
    int64_t since_ns = 0;   // when it was started
    std::unique_ptr<Exchange> exchange;
    std::unique_ptr<TlsLink> tls;
    std::string unsent;
  };
  struct Retry {
    int64_t at_ns;
    uint32_t slot;
  };

  Worker(const Target& target, Protocol protocol, unsigned connections, uint64_t first, int epoll);
  void Answered(const Exchange::Sent& sent, const Answer& answer) override;
  void Lost(const Exchange::Sent& sent, Exchange::Why why) override;

  void Start(uint32_t slot);
  void Reconnect();
  void Open(Connection& connection);
  void Stand(Connection& connection);
  int64_t SendDue();
  bool Fill(Connection& connection, int64_t& wake_ns);
  bool Flush(Connection& connection);
  bool FlushUnsent(Connection& connection);
  void Wait(int64_t wake_ns);
  void Handle(uint32_t slot, uint32_t events);
  void Receive(Connection& connection);
  Exchange::Verdict Deliver(Connection& connection, std::string_view bytes);
  Exchange::Verdict Decrypt(Connection& connection, std::string_view records);
  void Break(Connection& connection);
  void Drop(Connection& connection);
  void DropOverdue();
  bool PopIdle(uint32_t& slot);
  void PushIdle(Connection& connection);
  void Watch(Connection& connection, uint32_t events, int operation);
  uint32_t SlotOf(const Connection& connection) const {
    return static_cast<uint32_t>(&connection - connections_.data());
  }

  const Target target_;
  const Protocol protocol_;
  const uint64_t first_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::deque<uint32_t> idle_;  // those with room for a request
  std::deque<Retry> down_;     // in the order of at_ns
  unsigned connected_ = 0;
  unsigned connecting_ = 0;
  unsigned opening_ = 0;
  unsigned in_flight_ = 0;
  int64_t now_ns_ = 0;  // of this turn
  int64_t next_sweep_ns_ = 0;
  Script* script_ = nullptr;
  std::unique_ptr<char[]> buffer_, plain_;
  std::string out_;        // what the exchange of one connection has to send
  std::string encrypted_;  // records that leave before it
  std::string error_;
  std::atomic<uint64_t> broken_{0};
  std::atomic<uint64_t> taken_back_{0};
  std::atomic<uint64_t> connect_failures_{0};
};

}  // namespace weir::surge

// One loop: a thread, a transport, the connections that live on it, and its handler.
//
// A turn: wait; receive, parse, handle; OnTurnEnd; run what was posted (the answers of the last
// sync among it); timers; deferred work. What was gathered is handed over before earlier requests
// are answered, so that the disk works while we write to sockets.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/http.h"
#include "net/offload.h"
#include "net/server.h"
#include "net/server/session.h"
#include "net/server/transport.h"

namespace weir::net {

class EventLoop final : public Loop, private TransportEvents {
 public:
  struct Options {
    unsigned index = 0;
    Limits limits;
    MemoryShares memory;
    std::string server_name = "weir";
  };
  // Called on the loop's thread for each connection that the transport accepted; places it on a
  // loop by PlaceConnection(), or closes the descriptor.
  using Acceptor = std::function<void(EventLoop& here, int descriptor, std::string peer)>;

  EventLoop(Options options, std::unique_ptr<Transport> transport, const base::Clock& clock);
  ~EventLoop() override;

  // Before the first turn.
  void SetHandler(std::unique_ptr<Handler> handler);
  void SetAcceptor(Acceptor acceptor) { acceptor_ = std::move(acceptor); }

  unsigned index() const override { return options_.index; }
  void Respond(Ticket ticket, const Response& response) override;
  BodyWriter* RespondStreaming(Ticket ticket, const Response& head) override;
  void ResumeBody(Ticket ticket) override;
  bool alive(Ticket ticket) const override;
  void SetMark(Ticket ticket, Mark mark) override;
  void After(int delay_ms, std::function<void()> task) override;
  int64_t now_ns() const override { return now_ns_; }
  DeadlineWheel& deadlines() override { return wheel_; }
  Unanswered<Offloaded>& offloaded() override { return offloaded_; }
  bool Post(std::function<void()> task) override;

  // Any thread. Connections that this loop holds or has been promised: the acceptor counts one up
  // when it places it, the loop counts it down when it has closed.
  std::atomic<size_t>& load() { return load_; }
  const Counters& counters() const { return host_->counters; }

  // The loop's thread.
  void PlaceConnection(int descriptor, std::string peer);
  Transport& transport() { return *transport_; }
  void CountRefused() { host_->counters.refused.Add(1); }
  // Work waits that needs no event.
  bool busy() const {
    return !host_->deferred.empty() || !host_->closing.empty() || !host_->notices.empty() ||
           host_->may_grant_memory() || any_posted_.load();
  }
  // Until something must be done, at most `timeout_ns_max`.
  int64_t NextTimeout(int64_t timeout_ns_max) const;
  size_t memory_held() const { return host_->memory_held(); }
  size_t answers_held() const { return host_->answers_held(); }
  void BeginDrain();
  void Turn(int64_t timeout_ns_max = Transport::kForever);
  // Turns until Finish(), or until the last connection has closed after BeginDrain().
  void Run();
  void Finish() { finishing_ = true; }
  // After the last turn: closes every connection, tells the handler, refuses posts.
  void CloseAll();

 private:
  struct Seat {
    std::unique_ptr<Session> session;
    uint64_t next_sequence = 1;
    bool spoken = false;  // the client has sent something
    std::string peer;     // until then
    std::string opening;  // what it has said, while that may be either protocol
  };
  struct Timer {
    int64_t due_ns;
    uint64_t order;
    std::function<void()> task;
    bool operator<(const Timer& other) const {
      return due_ns != other.due_ns ? due_ns > other.due_ns : order > other.order;
    }
  };

  void OnAwake() override;
  void OnWoken() override;
  void OnAccepted(int descriptor, std::string peer) override;
  void OnReceived(ConnectionId id, std::string_view bytes) override;
  void OnPeerFinished(ConnectionId id) override;
  void OnWritable(ConnectionId id) override;
  void OnBroken(ConnectionId id) override;

  Session* Find(Ticket ticket) const;
  void Open(ConnectionId id, std::string_view bytes);
  void ProbeLag();
  void RunPosted();
  void RunTimers();
  void RunDeferred();
  void CloseClosing();
  void RunNotices();
  void EndTurn();

  const Options options_;
  const base::Clock& clock_;
  std::unique_ptr<Transport> transport_;
  int64_t now_ns_;
  DeadlineWheel wheel_;
  Unanswered<Offloaded> offloaded_;
  std::unique_ptr<Handler> handler_;
  std::unique_ptr<SessionHost> host_;
  Acceptor acceptor_;
  std::vector<Seat> seats_;                          // by ConnectionId
  std::vector<std::unique_ptr<Session>> graveyard_;  // ended in this turn
  size_t open_ = 0;
  bool kept_ = false;     // the handler gathers: look whether more is ready before waiting
  bool any_ran_ = false;  // in this turn
  int64_t probed_ns_ = 0;
  bool probing_ = false;  // the wake of a probe is under way
  bool draining_ = false;
  bool finishing_ = false;
  std::priority_queue<Timer> timers_;
  uint64_t timer_order_ = 0;
  std::vector<Session*> deferred_;              // scratch
  std::vector<std::function<void()>> running_;  // scratch

  std::atomic<size_t> load_{0};
  // Whoever posts while the loop is awake need not wake it: it looks before it waits.
  std::atomic<bool> waiting_{false};
  std::atomic<bool> any_posted_{false};
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by posted_mutex_
  bool stopped_ = false;                       // guarded by posted_mutex_
};

}  // namespace weir::net

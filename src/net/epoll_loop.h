// A Loop over epoll: one thread, its own listening socket, its connections.
//
// A turn is: wait for events, read each ready socket once into a buffer that all share, let the
// connections parse and the handler answer, run what other threads posted and what is due, tell the
// handler that the turn ends, then send what each connection has to say with one call.
// An answered request costs one recv and one send; the wait is shared by all that became ready.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <thread>
#include <vector>

#include "net/http1_connection.h"
#include "net/server.h"
#include "net/socket.h"

namespace weir::net {

// What the loops of one server share.
struct SharedLimits {
  size_t connections_max = 0;
  std::atomic<size_t> connections{0};
};

class EpollLoop final : public Loop {
 public:
  EpollLoop(unsigned index, Descriptor listener, const ServerOptions& options, SharedLimits& shared);
  ~EpollLoop() override;

  void Start(const std::function<std::unique_ptr<Handler>(Loop&)>& handler);
  // Any thread. Stops accepting, closes what is idle, and lets the rest finish.
  void BeginStop();
  // Any thread. Closes everything and ends the thread.
  void EndNow();
  void Join();

  unsigned index() const override { return index_; }
  void Respond(Ticket ticket, const Response& response) override;
  BodyWriter* RespondStreaming(Ticket ticket, const Response& head) override;
  void ResumeBody(Ticket ticket) override;
  bool alive(Ticket ticket) const override;
  void After(int delay_ms, std::function<void()> task) override;
  int64_t now_ns() const override { return context_.now_ns; }
  bool Post(std::function<void()> task) override;

  void AddTo(ServerStats& stats) const;

 private:
  struct Entry {
    Descriptor socket;
    std::unique_ptr<Http1Connection> connection;  // null: free
    uint32_t generation = 0;
    uint32_t interest = 0;  // epoll events asked for
    bool dirty = false;
    bool half_closed = false;  // our side; what the peer still sends is discarded
  };
  struct Timer {
    int64_t due_ns;
    uint64_t order;
    std::function<void()> task;
    bool operator>(const Timer& other) const {
      return due_ns != other.due_ns ? due_ns > other.due_ns : order > other.order;
    }
  };
  // Published once per turn for whoever watches.
  struct Published {
    std::atomic<uint64_t> connections{0}, accepted{0}, refused{0}, requests{0}, timeouts{0},
        bytes_in{0}, bytes_out{0};
    std::atomic<uint64_t> responses_by_class[6] = {};
  };

  void Run();
  void Turn();
  void Accept();
  void AddConnection(Descriptor socket, std::string peer);
  void Read(uint32_t slot);
  void MarkDirty(uint32_t slot);
  void FlushDirty();
  // False: the connection is gone.
  bool Flush(uint32_t slot);
  void UpdateInterest(uint32_t slot);
  void Close(uint32_t slot);
  void RunPosted();
  void RunTimers();
  void SweepDeadlines();
  void UpdateDate();
  void Publish();
  int WaitMs() const;
  Http1Connection* Find(Ticket ticket) const;

  const unsigned index_;
  const Limits limits_;
  SharedLimits& shared_;
  Descriptor listener_, epoll_, wake_, reserve_;
  std::unique_ptr<Handler> handler_;
  ConnectionContext context_;
  std::vector<Entry> entries_;
  std::vector<int64_t> deadlines_ns_;  // by slot: swept without touching the connections
  std::vector<uint32_t> free_;
  std::vector<uint32_t> dirty_, flushing_;
  std::vector<std::string> spare_buffers_;
  std::unique_ptr<char[]> buffer_;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  uint64_t timer_order_ = 0;
  int64_t next_sweep_ns_ = 0;
  int64_t date_second_ = -1;
  size_t open_ = 0;
  uint64_t accepted_ = 0, refused_ = 0, bytes_in_ = 0, bytes_out_ = 0;
  Published published_;

  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by posted_mutex_
  bool woken_ = false;                         // guarded by posted_mutex_
  bool ended_ = false;                         // guarded by posted_mutex_
  std::vector<std::function<void()>> running_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace weir::net

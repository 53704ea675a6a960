// Transport on epoll, edge-triggered: one epoll_ctl per connection in its life, one recv per
// request that arrives whole, one send per answer, and no other system call while sockets keep up.
//
// Edges make pausing free (a flag, no epoll_ctl) and spare the kernel from polling every socket a
// second time after each event. What an edge announced and was not read to its end (a full buffer,
// a pause, a FIN behind data) is remembered here and read in a later turn.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "net/server/transport.h"

namespace weir::net {

class EpollTransport final : public Transport {
 public:
  static base::Result<std::unique_ptr<EpollTransport>> Create();
  ~EpollTransport() override;
  EpollTransport(const EpollTransport&) = delete;
  EpollTransport& operator=(const EpollTransport&) = delete;

  void StartAccepting(int listener) override;
  void StopAccepting() override;
  ConnectionId Adopt(int descriptor) override;
  void Wait(int64_t timeout_ns, TransportEvents& events) override;
  void Wake() override;
  size_t Send(ConnectionId id, std::string_view bytes) override;
  void PauseReceiving(ConnectionId id) override;
  void ReceiveLess(bool less) override;
  void ResumeReceiving(ConnectionId id) override;
  void FinishSending(ConnectionId id) override;
  void Close(ConnectionId id, bool reset) override;

 private:
  struct Connection {
    int descriptor = -1;
    uint32_t generation = 0;  // tells events of a former holder of the id
    bool paused = false;
    bool readable = false;  // an edge came that was not read to its end
    bool queued = false;    // in again_
    bool finished = false;  // the peer's end was reported
    bool broken = false;
    bool broken_told = false;
    bool watches_writable = false;
  };
  struct Again {
    ConnectionId id;
    uint32_t generation;
  };

  EpollTransport(int epoll, int wake, int reserve);
  void AcceptSome(TransportEvents& events);
  void ReceiveOnce(ConnectionId id, TransportEvents& events);
  void Queue(ConnectionId id);
  void ReadAgain(TransportEvents& events);

  const int epoll_;
  const int wake_;
  int reserve_;  // given up to accept and close one connection when descriptors run out
  int listener_ = -1;
  bool accept_again_ = false;
  std::vector<Connection> connections_;
  std::vector<ConnectionId> free_;
  std::vector<Again> again_;
  std::vector<Again> reading_again_;  // scratch
  std::unique_ptr<char[]> buffer_;
  size_t receive_bytes_;  // at once
};

}  // namespace weir::net

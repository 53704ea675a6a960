// Transport on io_uring: a connection's receive is armed once and completes for every arrival, into
// buffers that all connections share; what a turn sends is gathered and goes out with the entry
// into the kernel that waits for the next turn. So a turn costs one system call, however many
// requests it brings and answers.
//
// Small sends are copied, and count as taken: a socket that turns out to be full leaves at most
// kGatheredBytesMax of its connection here, which follow when there is room; until then Send()
// takes nothing. Larger ones are given to the socket at once. So what a client that does not read
// can hold here is that much, and what arrives in the turn in which its receiving is paused.
//
// A name is used anew only when the kernel has let go of its former holder. All else as in
// transport.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/server/transport.h"
#include "net/server/uring_acceptor.h"
#include "net/server/uring_queue.h"

namespace weir::net {

class UringTransport final : public Transport {
 public:
  static constexpr size_t kGatheredBytesMax = 4096;

  static base::Result<std::unique_ptr<UringTransport>> Create();
  ~UringTransport() override;
  UringTransport(const UringTransport&) = delete;
  UringTransport& operator=(const UringTransport&) = delete;

  void StartAccepting(int listener) override { acceptor_.Start(listener); }
  void StopAccepting() override { acceptor_.Stop(); }
  ConnectionId Adopt(int descriptor) override;
  void Wait(int64_t timeout_ns, TransportEvents& events) override;
  void Wake() override;
  size_t Send(ConnectionId id, std::string_view bytes) override;
  void PauseReceiving(ConnectionId id) override;
  void ResumeReceiving(ConnectionId id) override;
  void FinishSending(ConnectionId id) override;
  void Close(ConnectionId id, bool reset) override;
  void Finish() override;

 private:
  struct Connection {
    int descriptor = -1;
    uint32_t gathered_turn = 0;  // the turn of its gathered send, whose outcome is not known yet
    uint32_t gathered_at = 0;    // in gathered_
    uint32_t gathered_bytes = 0;
    bool receiving = false;   // armed: a last completion is still to come
    bool cancelling = false;  // told to end the receive
    bool polling = false;     // for room to send, likewise
    bool paused = false;
    bool finished = false;  // the peer will send no more
    bool finish_told = false;
    bool broken = false;
    bool broken_told = false;
    bool wants_writable = false;
    bool finish_after_held = false;
    bool queued = false;  // in again_
    bool closing = false;
    bool reset = false;
    bool let_go = false;          // the kernel was told to end whatever is armed
    int64_t linger_until_ns = 0;  // closing, with bytes held: given up then
    std::string held;             // taken, and refused by the socket so far
    std::string stash;  // received after a pause, and not told yet; receiving rests meanwhile
    size_t stash_told = 0;
  };

  UringTransport(std::unique_ptr<UringQueue> queue, int wake, int reserve);
  void ArmWake();
  void ArmReceive(ConnectionId id);
  void ArmWritable(ConnectionId id);

  void NoteCutSends(unsigned count);
  void Handle(const io_uring_cqe& completion, TransportEvents& events);
  void HandleReceived(ConnectionId id, const io_uring_cqe& completion, TransportEvents& events);
  void HandleWritable(ConnectionId id, TransportEvents& events);
  void Tell(ConnectionId id, TransportEvents& events);
  void TellAgain(TransportEvents& events);
  void CancelPaused();
  void FinishSent();
  void LetGo();
  void HandleCancelled(ConnectionId id);
  bool IsFree(ConnectionId id, int64_t now_ns);
  void Release(ConnectionId id);

  void Queue(ConnectionId id);
  bool IsOpen(ConnectionId id) const;
  bool IsGathered(const Connection& connection) const { return connection.gathered_turn == turn_; }
  static size_t SendNow(Connection& connection, std::string_view bytes);

  const std::unique_ptr<UringQueue> queue_;
  const int wake_;
  UringAcceptor acceptor_;
  uint32_t turn_ = 1;  // of gathered sends
  size_t gathered_used_ = 0;
  bool hurry_ = false;  // something follows a gathered send, which is silent: the next wait is none
  const std::unique_ptr<char[]> gathered_;
  std::vector<Connection> connections_;
  std::vector<ConnectionId> free_;
  std::vector<ConnectionId> again_;    // to be told something in the next turn
  std::vector<ConnectionId> telling_;  // scratch
  std::vector<ConnectionId> pausing_;
  std::vector<ConnectionId> starved_;    // their receive ended for want of a buffer
  std::vector<ConnectionId> finishing_;  // FinishSending() waits for the outcome of a send
  std::vector<ConnectionId> closing_;
};

}  // namespace weir::net

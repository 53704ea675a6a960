// Accepting on a ring: armed once, it completes for every connection. While descriptors have run
// out it only waits for somebody to come, refuses them one by one, and tries again.
#pragma once

#include "net/server/transport.h"
#include "net/server/uring_queue.h"

namespace weir::net {

class UringAcceptor {
 public:
  // `reserve`: from OpenReserve(), taken over.
  UringAcceptor(UringQueue& queue, int reserve) : queue_(queue), reserve_(reserve) {}
  ~UringAcceptor();
  UringAcceptor(const UringAcceptor&) = delete;
  UringAcceptor& operator=(const UringAcceptor&) = delete;

  void Start(int listener);
  void Stop();
  // Of kAccept and kAcceptable.
  void Handle(const io_uring_cqe& completion, TransportEvents& events);
  // Stop() found nothing to end: it is tried again while something is armed.
  void HandleNotCancelled();
  bool armed() const { return armed_; }

 private:
  void Arm();
  void Cancel();
  void AcceptByHand(TransportEvents& events);

  UringQueue& queue_;
  int reserve_;  // given up to accept and close one connection when descriptors run out
  int listener_ = -1;
  bool armed_ = false;
  bool exhausted_ = false;  // descriptors ran out: wait for connections, then look
};

}  // namespace weir::net

#include "net/server/uring_acceptor.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "net/server/accepting.h"
#include "net/server/uring_tag.h"

namespace weir::net {
namespace {

constexpr int kAcceptsPerTurn = 64;

}  // namespace

UringAcceptor::~UringAcceptor() {
  if (reserve_ >= 0) close(reserve_);
}

void UringAcceptor::Start(int listener) {
  listener_ = listener;
  Arm();
}

void UringAcceptor::Stop() {
  if (listener_ < 0) return;
  listener_ = -1;
  if (!armed_) return;
  Cancel();
  // At once: what is armed keeps the listening socket open beyond its owner's close().
  queue_.Submit();
}

void UringAcceptor::Arm() {
  if (armed_ || listener_ < 0) return;
  armed_ = true;
  io_uring_sqe& entry = queue_.Next();
  if (exhausted_) {
    io_uring_prep_poll_add(&entry, listener_, POLLIN);
    io_uring_sqe_set_data64(&entry, UringTag(UringOperation::kAcceptable, kNoConnection));
  } else {
    io_uring_prep_multishot_accept(&entry, listener_, nullptr, nullptr,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    io_uring_sqe_set_data64(&entry, UringTag(UringOperation::kAccept, kNoConnection));
  }
}

void UringAcceptor::Cancel() {
  const UringOperation armed = exhausted_ ? UringOperation::kAcceptable : UringOperation::kAccept;
  PrepareCancel(queue_.Next(), UringTag(armed, kNoConnection));
}

void UringAcceptor::HandleNotCancelled() {
  if (armed_ && listener_ < 0) Cancel();
}

void UringAcceptor::Handle(const io_uring_cqe& completion, TransportEvents& events) {
  const bool accepts = OperationOf(completion) == UringOperation::kAccept;
  if (IsLast(completion)) armed_ = false;
  if (listener_ < 0) {
    if (accepts && completion.res >= 0) close(completion.res);
    return;
  }
  if (!accepts) {
    AcceptByHand(events);
  } else if (completion.res >= 0) {
    events.OnAccepted(completion.res, PeerAddress(completion.res));
  } else if (completion.res != -ECONNABORTED && completion.res != -EINTR) {
    // No descriptor or no memory. The kernel would say so again at once, whether somebody waits to
    // be accepted or not.
    AcceptByHand(events);
    exhausted_ = true;
  }
  Arm();
}

void UringAcceptor::AcceptByHand(TransportEvents& events) {
  exhausted_ = false;
  for (int i = 0; i < kAcceptsPerTurn && listener_ >= 0; ++i) {
    const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      events.OnAccepted(descriptor, PeerAddress(descriptor));
      continue;
    }
    if (errno == ECONNABORTED || errno == EINTR) continue;
    if (errno == EAGAIN) return;
    exhausted_ = true;
    if (!RefuseOne(listener_, &reserve_)) return;
  }
}

}  // namespace weir::net

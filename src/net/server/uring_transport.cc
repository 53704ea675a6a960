#include "net/server/uring_transport.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/server/accepting.h"
#include "net/server/uring_tag.h"

namespace weir::net {
namespace {

// Some 700 answers of a turn; what does not fit is given to its socket at once.
constexpr size_t kGatheredBytes = 256u << 10;
constexpr size_t kPieceBytes = 64u << 10;  // of what was received after a pause
// How often connections that are being closed are looked at.
constexpr int64_t kLingerCheckNs = 200'000'000;

}  // namespace

base::Result<std::unique_ptr<UringTransport>> UringTransport::Create() {
  WEIR_ASSIGN_OR_RETURN(auto queue, UringQueue::Create());
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int reserve = OpenReserve();
  if (wake < 0 || reserve < 0) {
    const std::string cause = std::strerror(errno);
    for (const int descriptor : {wake, reserve}) {
      if (descriptor >= 0) close(descriptor);
    }
    return base::Fail(base::ErrorCode::kIo, "cannot set up an event loop: " + cause);
  }
  return std::unique_ptr<UringTransport>(new UringTransport(std::move(queue), wake, reserve));
}

UringTransport::UringTransport(std::unique_ptr<UringQueue> queue, int wake, int reserve)
    : queue_(std::move(queue)),
      wake_(wake),
      acceptor_(*queue_, reserve),
      gathered_(new char[kGatheredBytes]) {
  ArmWake();
}

UringTransport::~UringTransport() {
  for (const Connection& connection : connections_) {
    if (connection.descriptor >= 0) close(connection.descriptor);
  }
  close(wake_);
}

void UringTransport::ArmWake() {
  io_uring_sqe& entry = queue_->Next();
  // The counter is never read: a completion comes with every write.
  io_uring_prep_poll_multishot(&entry, wake_, POLLIN);
  io_uring_sqe_set_data64(&entry, UringTag(UringOperation::kWake, kNoConnection));
}

void UringTransport::ArmReceive(ConnectionId id) {
  Connection& connection = connections_[id];
  if (connection.receiving || connection.paused || !connection.stash.empty() ||
      connection.finished || connection.broken || connection.closing) {
    return;
  }
  connection.receiving = true;
  io_uring_sqe& entry = queue_->Next();
  io_uring_prep_recv_multishot(&entry, connection.descriptor, nullptr, 0, 0);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = UringQueue::kBufferGroup;
  io_uring_sqe_set_data64(&entry, UringTag(UringOperation::kReceive, id));
}

void UringTransport::ArmWritable(ConnectionId id) {
  Connection& connection = connections_[id];
  if (std::exchange(connection.polling, true)) return;
  io_uring_sqe& entry = queue_->Next();
  io_uring_prep_poll_add(&entry, connection.descriptor, POLLOUT);
  io_uring_sqe_set_data64(&entry, UringTag(UringOperation::kWritable, id));
}

ConnectionId UringTransport::Adopt(int descriptor) {
  if (free_.empty()) {
    free_.push_back(static_cast<ConnectionId>(connections_.size()));
    connections_.emplace_back();
  }
  const ConnectionId id = free_.back();
  free_.pop_back();
  connections_[id] = {.descriptor = descriptor};
  ArmReceive(id);
  return id;
}

void UringTransport::Wake() {
  const uint64_t one = 1;
  while (write(wake_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void UringTransport::Wait(int64_t timeout_ns, TransportEvents& events) {
  CancelPaused();
  LetGo();
  if (std::exchange(hurry_, false) || !again_.empty() || queue_->overflowing()) {
    timeout_ns = 0;
  } else if (!closing_.empty()) {
    timeout_ns = timeout_ns < 0 ? kLingerCheckNs : std::min(timeout_ns, kLingerCheckNs);
  }
  queue_->SubmitAndWait(timeout_ns);
  const unsigned count = queue_->count();
  NoteCutSends(count);
  if (queue_->submitted() && !queue_->overflowing()) {
    // Every gathered send has been tried, and those that were cut short are known.
    if (++turn_ == 0) turn_ = 1;
    gathered_used_ = 0;
  }
  FinishSent();
  events.OnAwake();
  for (unsigned i = 0; i < count; ++i) {
    const io_uring_cqe completion = queue_->at(i);
    Handle(completion, events);
  }
  queue_->Forget(count);
  TellAgain(events);
  for (const ConnectionId id : starved_) {
    if (IsOpen(id)) ArmReceive(id);
  }
  starved_.clear();
  LetGo();
}

// Before anything else of the turn: their connections may be sent to again in it.
void UringTransport::NoteCutSends(unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    const io_uring_cqe& completion = queue_->at(i);
    if (OperationOf(completion) != UringOperation::kSend) continue;
    const auto id = ConnectionOf(completion);
    Connection& connection = connections_[id];
    if (completion.res < 0 && completion.res != -EAGAIN && completion.res != -EINTR) {
      connection.broken = true;
      if (!connection.closing) Queue(id);
      continue;
    }
    const auto taken = static_cast<size_t>(std::max(completion.res, 0));
    connection.held.assign(gathered_.get() + connection.gathered_at + taken,
                           connection.gathered_bytes - taken);
    ArmWritable(id);
  }
}

void UringTransport::Handle(const io_uring_cqe& completion, TransportEvents& events) {
  const auto id = ConnectionOf(completion);
  switch (OperationOf(completion)) {
    case UringOperation::kWake:
      if (IsLast(completion)) ArmWake();
      events.OnWoken();
      break;
    case UringOperation::kAccept:
    case UringOperation::kAcceptable:
      acceptor_.Handle(completion, events);
      break;
    case UringOperation::kReceive:
      HandleReceived(id, completion, events);
      break;
    case UringOperation::kWritable:
      HandleWritable(id, events);
      break;
    case UringOperation::kCancel:
      HandleCancelled(id);
      break;
    case UringOperation::kSend:
      break;  // see NoteCutSends()
  }
}

void UringTransport::HandleReceived(ConnectionId id, const io_uring_cqe& completion,
                                    TransportEvents& events) {
  Connection& connection = connections_[id];
  if (IsLast(completion)) {
    connection.receiving = false;
    connection.cancelling = false;
  }
  if (completion.res > 0 && !connection.closing) {
    if (connection.paused || !connection.stash.empty()) {
      connection.stash.append(queue_->BufferOf(completion));
      pausing_.push_back(id);
    } else {
      events.OnReceived(id, queue_->BufferOf(completion));
    }
  }
  if (completion.flags & IORING_CQE_F_BUFFER) queue_->GiveBack(completion);
  Connection& after = connections_[id];
  if (after.closing || after.descriptor < 0) return;
  if (completion.res == 0) {
    after.finished = true;
    Tell(id, events);
  } else if (completion.res == -ENOBUFS) {
    starved_.push_back(id);
  } else if (completion.res < 0 && completion.res != -ECANCELED && completion.res != -EINTR) {
    after.broken = true;
    Tell(id, events);
  } else {
    ArmReceive(id);
  }
}

void UringTransport::HandleWritable(ConnectionId id, TransportEvents& events) {
  Connection& connection = connections_[id];
  connection.polling = false;
  if (connection.descriptor < 0 || connection.broken || connection.let_go) return;
  if (!connection.held.empty()) {
    connection.held.erase(0, SendNow(connection, connection.held));
    if (!connection.held.empty() && !connection.broken) return ArmWritable(id);
    if (connection.held.empty()) std::string().swap(connection.held);
    if (connection.finish_after_held) shutdown(connection.descriptor, SHUT_WR);
  }
  if (!connection.closing) Tell(id, events);
}

// What there is to say, in the order in which it came.
void UringTransport::Tell(ConnectionId id, TransportEvents& events) {
  const auto open = [&]() -> Connection* { return IsOpen(id) ? &connections_[id] : nullptr; };
  Connection* connection = open();
  if (connection->broken) {
    if (!std::exchange(connection->broken_told, true)) events.OnBroken(id);
    return;
  }
  if (!connection->paused && !connection->stash.empty()) {
    // Out of the connection, which may move while it is told.
    std::string stash = std::move(connection->stash);
    connection->stash.clear();
    const std::string_view piece =
        std::string_view(stash).substr(connection->stash_told, kPieceBytes);
    events.OnReceived(id, piece);
    connection = open();
    if (!connection) return;
    connection->stash_told += piece.size();
    if (connection->stash_told < stash.size()) {
      connection->stash = std::move(stash);
    } else {
      connection->stash_told = 0;
    }
  }
  if (connection->finished && !connection->paused && connection->stash.empty() &&
      !std::exchange(connection->finish_told, true)) {
    events.OnPeerFinished(id);
    connection = open();
    if (!connection) return;
  }
  if (connection->wants_writable && connection->held.empty() && !connection->polling &&
      !IsGathered(*connection)) {
    connection->wants_writable = false;
    events.OnWritable(id);
    connection = open();
    if (!connection) return;
  }
  if (!connection->paused && !connection->stash.empty()) return Queue(id);
  if (connection->wants_writable && IsGathered(*connection)) Queue(id);
  ArmReceive(id);
}

void UringTransport::TellAgain(TransportEvents& events) {
  telling_.swap(again_);
  for (const ConnectionId id : telling_) {
    connections_[id].queued = false;
    if (IsOpen(id)) Tell(id, events);
  }
  telling_.clear();
}

void UringTransport::CancelPaused() {
  for (const ConnectionId id : pausing_) {
    Connection& connection = connections_[id];
    const bool behind = connection.paused || !connection.stash.empty();
    if (!IsOpen(id) || !behind || !connection.receiving || connection.cancelling) continue;
    connection.cancelling = true;
    PrepareCancel(queue_->Next(), UringTag(UringOperation::kReceive, id));
  }
  pausing_.clear();
}

size_t UringTransport::SendNow(Connection& connection, std::string_view bytes) {
  ssize_t size;
  do {
    size = send(connection.descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno != EAGAIN) connection.broken = true;
  return size < 0 ? 0 : static_cast<size_t>(size);
}

size_t UringTransport::Send(ConnectionId id, std::string_view bytes) {
  Connection& connection = connections_[id];
  if (bytes.empty() || connection.broken) return 0;
  if (!connection.held.empty() || connection.polling || IsGathered(connection)) {
    connection.wants_writable = true;
    if (IsGathered(connection)) Queue(id);
    return 0;
  }
  if (bytes.size() > kGatheredBytesMax || bytes.size() > kGatheredBytes - gathered_used_) {
    const size_t taken = SendNow(connection, bytes);
    if (connection.broken) {
      Queue(id);
    } else if (taken < bytes.size()) {
      connection.wants_writable = true;
      ArmWritable(id);
    }
    return taken;
  }
  char* const at = gathered_.get() + gathered_used_;
  std::memcpy(at, bytes.data(), bytes.size());
  connection.gathered_turn = turn_;
  connection.gathered_at = static_cast<uint32_t>(gathered_used_);
  connection.gathered_bytes = static_cast<uint32_t>(bytes.size());
  gathered_used_ += bytes.size();
  io_uring_sqe& entry = queue_->Next();
  // Never left under way: it completes as it is submitted, silently if all was taken, else with
  // how much was.
  io_uring_prep_send(&entry, connection.descriptor, at, bytes.size(),
                     MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL);
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(&entry, UringTag(UringOperation::kSend, id));
  return bytes.size();
}

void UringTransport::PauseReceiving(ConnectionId id) {
  connections_[id].paused = true;
  pausing_.push_back(id);
}

void UringTransport::ResumeReceiving(ConnectionId id) {
  Connection& connection = connections_[id];
  connection.paused = false;
  if (!connection.stash.empty() || connection.finished) {
    Queue(id);
  } else {
    ArmReceive(id);
  }
}

void UringTransport::FinishSending(ConnectionId id) {
  Connection& connection = connections_[id];
  if (IsGathered(connection) || !connection.held.empty()) {
    connection.finish_after_held = true;
    if (IsGathered(connection)) finishing_.push_back(id);
    hurry_ = true;
  } else {
    shutdown(connection.descriptor, SHUT_WR);
  }
}

void UringTransport::Queue(ConnectionId id) {
  if (std::exchange(connections_[id].queued, true)) return;
  again_.push_back(id);
}

bool UringTransport::IsOpen(ConnectionId id) const {
  return connections_[id].descriptor >= 0 && !connections_[id].closing;
}

}  // namespace weir::net

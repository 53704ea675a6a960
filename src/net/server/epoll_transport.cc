#include "net/server/epoll_transport.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "net/server/accepting.h"

namespace weir::net {
namespace {

// A turn's reports are one hand-over to the journal: under a flood, larger turns make larger groups
// and fewer wake-ups. A turn is as large as what has arrived, so those of a quiet server are small.
constexpr int kEventsPerTurn = 512;
constexpr int kAcceptsPerTurn = 64;
constexpr size_t kReceiveBytes = 64u << 10;
constexpr size_t kReceiveBytesLess = 4u << 10;
constexpr uint64_t kListenerTag = UINT64_MAX;
constexpr uint64_t kWakeTag = UINT64_MAX - 1;
constexpr uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;

}  // namespace

base::Result<std::unique_ptr<EpollTransport>> EpollTransport::Create() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  const int reserve = OpenReserve();
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.u64 = kWakeTag}};
  if (epoll < 0 || wake < 0 || reserve < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event) != 0) {
    const std::string cause = std::strerror(errno);
    for (const int descriptor : {epoll, wake, reserve}) {
      if (descriptor >= 0) close(descriptor);
    }
    return base::Fail(base::ErrorCode::kIo, "cannot set up an event loop: " + cause);
  }
  return std::unique_ptr<EpollTransport>(new EpollTransport(epoll, wake, reserve));
}

EpollTransport::EpollTransport(int epoll, int wake, int reserve)
    : epoll_(epoll),
      wake_(wake),
      reserve_(reserve),
      buffer_(new char[kReceiveBytes]),
      receive_bytes_(kReceiveBytes) {}

EpollTransport::~EpollTransport() {
  for (const Connection& connection : connections_) {
    if (connection.descriptor >= 0) close(connection.descriptor);
  }
  close(epoll_);
  close(wake_);
  if (reserve_ >= 0) close(reserve_);
}

void EpollTransport::StartAccepting(int listener) {
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kListenerTag}};
  WEIR_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, listener, &event) == 0);
  listener_ = listener;
}

void EpollTransport::StopAccepting() {
  if (listener_ < 0) return;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_, nullptr);
  listener_ = -1;
}

ConnectionId EpollTransport::Adopt(int descriptor) {
  if (free_.empty()) {
    free_.push_back(static_cast<ConnectionId>(connections_.size()));
    connections_.emplace_back();
  }
  const ConnectionId id = free_.back();
  free_.pop_back();
  Connection& connection = connections_[id];
  connection = {.descriptor = descriptor, .generation = connection.generation + 1};
  epoll_event event{.events = kReadEvents,
                    .data = {.u64 = uint64_t{connection.generation} << 32 | id}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
    // No memory for one more watch: the connection counts as lost.
    connection.broken = true;
    Queue(id);
  }
  return id;
}

void EpollTransport::Wake() {
  // The counter is never read: an edge comes with every write.
  const uint64_t one = 1;
  while (write(wake_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void EpollTransport::Wait(int64_t timeout_ns, TransportEvents& events) {
  int timeout_ms = -1;
  if (!again_.empty() || accept_again_) {
    timeout_ms = 0;
  } else if (timeout_ns >= 0) {
    timeout_ms = static_cast<int>(std::min<int64_t>((timeout_ns + 999'999) / 1'000'000, INT32_MAX));
  }
  epoll_event ready[kEventsPerTurn];
  int count = epoll_wait(epoll_, ready, kEventsPerTurn, timeout_ms);
  if (count < 0) {
    WEIR_CHECK_MSG(errno == EINTR, std::strerror(errno));
    count = 0;
  }
  events.OnAwake();
  reading_again_.swap(again_);
  bool acceptable = std::exchange(accept_again_, false);
  for (int i = 0; i < count; ++i) {
    const uint64_t tag = ready[i].data.u64;
    if (tag == kWakeTag) {
      events.OnWoken();
      continue;
    }
    if (tag == kListenerTag) {
      acceptable = true;
      continue;
    }
    const auto id = static_cast<ConnectionId>(tag);
    const auto generation = static_cast<uint32_t>(tag >> 32);
    const auto current = [&] {
      return connections_[id].generation == generation && connections_[id].descriptor >= 0;
    };
    if (!current()) continue;
    const uint32_t what = ready[i].events;
    if (what & EPOLLRDHUP) connections_[id].readable = true;
    if (what & (EPOLLHUP | EPOLLERR)) connections_[id].broken = true;
    if (what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ReceiveOnce(id, events);
    if ((what & EPOLLOUT) && current()) events.OnWritable(id);
  }
  ReadAgain(events);
  if (acceptable && listener_ >= 0) AcceptSome(events);
}

void EpollTransport::ReadAgain(TransportEvents& events) {
  for (const Again again : reading_again_) {
    Connection& connection = connections_[again.id];
    if (connection.generation != again.generation || connection.descriptor < 0) continue;
    connection.queued = false;
    ReceiveOnce(again.id, events);
  }
  reading_again_.clear();
}

void EpollTransport::ReceiveOnce(ConnectionId id, TransportEvents& events) {
  Connection& connection = connections_[id];
  if (connection.paused && !connection.broken) {
    connection.readable = true;
    return;
  }
  const uint32_t generation = connection.generation;
  ssize_t size = 0;
  if (!connection.finished) {
    do {
      size = recv(connection.descriptor, buffer_.get(), receive_bytes_, 0);
    } while (size < 0 && errno == EINTR);
  }
  if (size > 0 && !connection.paused) {
    // More may wait: a full buffer, or an end that was announced with the data.
    const bool more =
        static_cast<size_t>(size) >= receive_bytes_ || connection.readable || connection.broken;
    events.OnReceived(id, {buffer_.get(), static_cast<size_t>(size)});
    Connection& after = connections_[id];
    if (!more || after.generation != generation || after.descriptor < 0) return;
    after.readable = true;
    if (!after.paused) Queue(id);
    return;
  }
  connection.readable = false;
  if (connection.broken || (size < 0 && errno != EAGAIN)) {
    connection.broken = true;
    if (!std::exchange(connection.broken_told, true)) events.OnBroken(id);
  } else if (size == 0 && !std::exchange(connection.finished, true)) {
    events.OnPeerFinished(id);
  }
}

void EpollTransport::Queue(ConnectionId id) {
  Connection& connection = connections_[id];
  if (std::exchange(connection.queued, true)) return;
  again_.push_back({id, connection.generation});
}

void EpollTransport::AcceptSome(TransportEvents& events) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int descriptor = accept4(listener_, reinterpret_cast<sockaddr*>(&address), &size,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      events.OnAccepted(descriptor, AddressText(address));
      if (listener_ < 0) return;
      continue;
    }
    if ((errno == EMFILE || errno == ENFILE) && RefuseOne(listener_, &reserve_)) continue;
    if (errno == ECONNABORTED || errno == EINTR) continue;
    return;  // EAGAIN, or memory: the listener is watched by level, so this is tried again
  }
  accept_again_ = true;
}

size_t EpollTransport::Send(ConnectionId id, std::string_view bytes) {
  Connection& connection = connections_[id];
  if (connection.broken_told) return 0;
  ssize_t size;
  do {
    size = send(connection.descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno != EAGAIN) {
    connection.broken = true;
    Queue(id);
    return 0;
  }
  const size_t taken = size < 0 ? 0 : static_cast<size_t>(size);
  if (taken < bytes.size() && !std::exchange(connection.watches_writable, true)) {
    epoll_event event{.events = kReadEvents | EPOLLOUT,
                      .data = {.u64 = uint64_t{connection.generation} << 32 | id}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.descriptor, &event);
  }
  return taken;
}

void EpollTransport::ReceiveLess(bool less) {
  receive_bytes_ = less ? kReceiveBytesLess : kReceiveBytes;
}

void EpollTransport::PauseReceiving(ConnectionId id) { connections_[id].paused = true; }

void EpollTransport::ResumeReceiving(ConnectionId id) {
  Connection& connection = connections_[id];
  connection.paused = false;
  if (connection.readable) Queue(id);
}

void EpollTransport::FinishSending(ConnectionId id) {
  shutdown(connections_[id].descriptor, SHUT_WR);
}

void EpollTransport::Close(ConnectionId id, bool reset) {
  Connection& connection = connections_[id];
  if (reset) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(connection.descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  close(connection.descriptor);
  connection.descriptor = -1;
  free_.push_back(id);
}

}  // namespace weir::net

// How a connection ends: after what was taken has been tried, and when the kernel has let go of it.
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "base/clock.h"
#include "net/server/uring_tag.h"
#include "net/server/uring_transport.h"

namespace weir::net {
namespace {

// How long, and of how many, the peer may yet take the last bytes after the close.
constexpr int64_t kLingerNs = 30'000'000'000;
constexpr size_t kLingeringMax = 1024;

class NoEvents final : public TransportEvents {
 public:
  void OnAwake() override {}
  void OnWoken() override {}
  void OnAccepted(int descriptor, std::string) override { close(descriptor); }
  void OnReceived(ConnectionId, std::string_view) override {}
  void OnPeerFinished(ConnectionId) override {}
  void OnWritable(ConnectionId) override {}
  void OnBroken(ConnectionId) override {}
};

}  // namespace

void UringTransport::FinishSent() {
  std::erase_if(finishing_, [this](ConnectionId id) {
    const Connection& connection = connections_[id];
    if (!IsOpen(id)) return true;
    if (IsGathered(connection)) {
      hurry_ = true;
      return false;
    }
    if (connection.held.empty()) shutdown(connection.descriptor, SHUT_WR);
    return true;  // else with the last byte held
  });
}

void UringTransport::Close(ConnectionId id, bool reset) {
  Connection& connection = connections_[id];
  connection.closing = true;
  connection.reset = reset;
  if (IsFree(id, 0)) return Release(id);
  closing_.push_back(id);
}

void UringTransport::LetGo() {
  if (closing_.empty()) return;
  const int64_t now_ns = base::SystemClock().SteadyNs();
  std::erase_if(closing_, [&](ConnectionId id) {
    if (!IsFree(id, now_ns)) return false;
    Release(id);
    return true;
  });
}

// Whether nothing of a closed connection is under way; ends what is.
bool UringTransport::IsFree(ConnectionId id, int64_t now_ns) {
  Connection& connection = connections_[id];
  if (IsGathered(connection)) {
    hurry_ = true;
    return false;
  }
  if (connection.receiving && !std::exchange(connection.cancelling, true)) {
    PrepareCancel(queue_->Next(), UringTag(UringOperation::kReceive, id));
  }
  if (!connection.held.empty() && !connection.reset && !connection.broken) {
    if (connection.linger_until_ns == 0 && closing_.size() < kLingeringMax) {
      connection.linger_until_ns = base::SystemClock().SteadyNs() + kLingerNs;
    }
    if (now_ns < connection.linger_until_ns) return false;
    connection.reset = true;  // the peer is to know that the end is missing
  }
  if (connection.polling && !std::exchange(connection.let_go, true))
    PrepareCancel(queue_->Next(), UringTag(UringOperation::kWritable, id));
  return !connection.receiving && !connection.polling;
}

// The kernel did not find what was to end: it has just completed, or is between two waits.
void UringTransport::HandleCancelled(ConnectionId id) {
  if (id == kNoConnection) return acceptor_.HandleNotCancelled();
  Connection& connection = connections_[id];
  connection.cancelling = false;
  connection.let_go = false;
  pausing_.push_back(id);
}

void UringTransport::Release(ConnectionId id) {
  Connection& connection = connections_[id];
  if (connection.reset) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(connection.descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  close(connection.descriptor);
  connection = {};
  free_.push_back(id);
}

void UringTransport::Finish() {
  constexpr int kTurns = 1000;
  constexpr int64_t kTurnNs = 1'000'000;
  NoEvents events;
  for (int i = 0; i < kTurns && (acceptor_.armed() || !closing_.empty()); ++i) {
    for (const ConnectionId id : closing_) connections_[id].linger_until_ns = 1;
    Wait(kTurnNs, events);
  }
}

}  // namespace weir::net

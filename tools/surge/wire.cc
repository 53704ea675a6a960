#include "tools/surge/wire.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weir::surge {
namespace {

constexpr size_t kReceiveBytes = 16u << 10;

base::Status Ended(const std::string& why) {
  return base::Fail(base::ErrorCode::kUnavailable, why);
}

}  // namespace

base::Result<std::unique_ptr<Wire>> Wire::Connect(const Target& target, int timeout_s) {
  WEIR_ASSIGN_OR_RETURN(const int fd, target.Connect(0, /*blocking=*/true));
  std::unique_ptr<Wire> wire(new Wire(fd));
  const timeval timeout{timeout_s, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (target.tls()) {
    wire->tls_ = std::make_unique<TlsLink>(*target.tls(), "http/1.1");
    WEIR_RETURN_IF_ERROR(wire->Handshake());
  }
  return wire;
}

Wire::~Wire() { close(fd_); }

base::Status Wire::Handshake() {
  std::string records;
  tls_->Begin(records);
  WEIR_RETURN_IF_ERROR(SendRaw(records));
  // The server speaks HTTP/1.1 here, and so says nothing of its own before it is asked.
  std::string nothing;
  while (!tls_->established()) WEIR_RETURN_IF_ERROR(Receive(nothing));
  return {};
}

base::Status Wire::SendRaw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return Ended(std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return {};
}

base::Result<size_t> Wire::ReceiveRaw(char* to, size_t size) {
  const ssize_t got = recv(fd_, to, size, 0);
  if (got > 0) return static_cast<size_t>(got);
  return base::Fail(base::ErrorCode::kUnavailable,
                    got == 0 ? "the server closed the connection" : std::strerror(errno));
}

base::Status Wire::Send(std::string_view bytes) {
  if (!tls_) return SendRaw(bytes);
  std::string records;
  if (!tls_->Write(bytes, records)) return Ended("TLS: " + tls_->error());
  return SendRaw(records);
}

base::Status Wire::Receive(std::string& to) {
  char buffer[kReceiveBytes];
  WEIR_ASSIGN_OR_RETURN(const size_t got, ReceiveRaw(buffer, sizeof buffer));
  if (!tls_) {
    to.append(buffer, got);
    return {};
  }
  tls_->Offer({buffer, got});
  std::string records;  // what TLS itself has to answer
  char plain[kReceiveBytes];
  while (true) {
    size_t size = 0;
    const TlsLink::State state = tls_->Read(plain, sizeof plain, size, records);
    if (state == TlsLink::State::kBytes) {
      to.append(plain, size);
      continue;
    }
    WEIR_RETURN_IF_ERROR(SendRaw(records));
    if (state == TlsLink::State::kNeedsMore) return {};
    return Ended(state == TlsLink::State::kClosed ? "the server closed the connection"
                                                  : "TLS: " + tls_->error());
  }
}

}  // namespace weir::surge

// One connection for what is asked one at a time: blocking, in the clear or over TLS. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tools/surge/target.h"

namespace weir::surge {

class Wire {
 public:
  // Connected, and over TLS with its handshake done, each step of it within `timeout_s`; so is
  // every Send() and Receive().
  static base::Result<std::unique_ptr<Wire>> Connect(const Target& target, int timeout_s);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  int fd() const { return fd_; }  // to wait for
  base::Status Send(std::string_view bytes);
  // Waits for the next bytes and appends what they say to `to`, which may be nothing: TLS has
  // records of its own. kUnavailable: the connection has ended.
  base::Status Receive(std::string& to);

 private:
  explicit Wire(int fd) : fd_(fd) {}
  base::Status Handshake();
  base::Status SendRaw(std::string_view bytes);
  base::Result<size_t> ReceiveRaw(char* to, size_t size);

  const int fd_;
  std::unique_ptr<TlsLink> tls_;
};

}  // namespace weir::surge

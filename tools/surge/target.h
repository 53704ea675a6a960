// Where to connect to, from which of our own addresses, and whether over TLS.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "tools/surge/tls_link.h"

namespace weir::surge {

class Target {
 public:
  // kInvalidArgument: no IPv4 address is known for the host.
  static base::Result<Target> Resolve(const std::string& host, uint16_t port);

  // A socket whose connection to the target has been started (or made, if `blocking`). Its
  // descriptor is the caller's. To 127.0.0.0/8, `connection` chooses the source: each address of
  // that network has ports for kPerSource connections, and the next one is taken after that.
  base::Result<int> Connect(uint64_t connection, bool blocking) const;

  const std::string& name() const { return name_; }  // "127.0.0.1:8080"

  // Connections are to speak TLS, which is up to whoever uses them. Null: they do not.
  void SetTls(std::shared_ptr<const TlsClient> tls) { tls_ = std::move(tls); }
  const TlsClient* tls() const { return tls_.get(); }

 private:
  static constexpr uint64_t kPerSource = 20'000;
  std::string name_;
  sockaddr_in address_{};
  std::shared_ptr<const TlsClient> tls_;
};

}  // namespace weir::surge

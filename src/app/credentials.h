// What clients and this server prove themselves with: the tokens, and the server's certificate.
//
// Both are files that change under a running server, which looks at them each second and on SIGHUP.
// What cannot be read then is logged, and what was in force stays.
//
// Threads: one, but for what tokens() and tls() allow.
#pragma once

#include <memory>

#include "app/config/config.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/tls.h"
#include "observe/log.h"
#include "security/token_store.h"

namespace weir::app {

class Credentials {
 public:
  // Reads them for the first time; the data directory exists.
  static base::Result<std::unique_ptr<Credentials>> Load(const config::Config& config,
                                                         const base::Clock& clock);

  security::TokenStore& tokens() { return tokens_; }
  const std::shared_ptr<net::TlsContext>& tls() const { return tls_; }  // null: plain sockets

  // Reads anew what has changed, or everything.
  void ReloadChanged(observe::Log& log);
  void Reload(observe::Log& log);

 private:
  Credentials(const config::Config& config, std::shared_ptr<net::TlsContext> tls);

  security::TokenStore tokens_;
  const std::shared_ptr<net::TlsContext> tls_;
};

}  // namespace weir::app

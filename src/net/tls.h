// TLS of the server: certificates, tickets, and what clients must show. One TlsContext for all
// loops; connections are made of it by net/server/tls_transport.h.
//
// TLS 1.2 and 1.3 with forward secrecy and authenticated encryption alone. No renegotiation, no
// compression, and no early data: 0-RTT can be replayed (RFC 8446, section 8). Sessions are resumed
// by tickets (RFC 5077; RFC 8446, 4.6.1) under keys of this process, which rotate: a ticket is good
// for at most two rotations; a restart ends all of them, and so do other signers of clients'
// certificates.
//
// Threads: any. A reload changes what new connections get; those that are open keep what they have.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace weir::net {

enum class ClientCertificates { kNone, kOptional, kRequired };

struct TlsOptions {
  std::string cert_file;  // PEM: the server's certificate, then those that sign it
  std::string key_file;   // PEM, without a passphrase
  bool tls13_only = false;
  ClientCertificates client_certificates = ClientCertificates::kNone;
  std::string client_ca_file;  // PEM: who signs those of clients
  int64_t ticket_rotation_ms = 3'600'000;
  // Handshakes under way, of one loop: more wait, unread, until one of them has ended, or has taken
  // HandshakeSlots::kTurnNs.
  unsigned handshakes_max = 1'000;
};

struct TlsStats {
  std::atomic<uint64_t> full{0};
  std::atomic<uint64_t> resumed{0};
  std::atomic<uint64_t> plain_http{0};    // HTTP without TLS: told so
  std::atomic<uint64_t> incompatible{0};  // no version, cipher or protocol in common
  std::atomic<uint64_t> certificate{0};   // the client's is missing or does not hold
  std::atomic<uint64_t> broken{0};        // malformed, or the client left
  std::atomic<uint64_t> stalled{0};       // took too long, and was cut off
};

class TlsContext {
 public:
  // kInvalidArgument: a file that cannot be read or does not hold what it should, or a key that is
  // not the certificate's; the message names the file.
  static base::Result<std::shared_ptr<TlsContext>> Load(const TlsOptions& options,
                                                        const base::Clock& clock);
  virtual ~TlsContext() = default;

  // Reads the files anew; after an error those of before stay in force.
  virtual base::Status Reload() = 0;
  // Reload() if a file's identity, size or time has changed. True: it was read anew.
  virtual base::Result<bool> ReloadIfChanged() = 0;
  virtual int64_t expires_ms() const = 0;  // of the certificate, wall time

  const TlsOptions& options() const { return options_; }
  TlsStats& stats() { return stats_; }

 protected:
  explicit TlsContext(const TlsOptions& options) : options_(options) {}
  const TlsOptions options_;

 private:
  TlsStats stats_;
};

}  // namespace weir::net

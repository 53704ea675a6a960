// TLS of the client's side (OpenSSL), over bytes that somebody else sends and receives.
//
// TLS 1.2 and 1.3. Sessions are never resumed: every connection costs a full handshake.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/tls_bytes.h"

namespace weir::surge {

// What all connections share. Any thread.
class TlsClient {
 public:
  struct Settings {
    std::string host;       // the certificate's must be this name or address
    std::string ca_file;    // PEM; empty: the system's authorities
    bool insecure = false;  // any certificate will do
  };
  // kInvalidArgument: the file cannot be read, or holds no certificate.
  static base::Result<std::shared_ptr<const TlsClient>> Make(const Settings& settings);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

 private:
  friend class TlsLink;
  TlsClient(Settings settings, SSL_CTX* context)
      : settings_(std::move(settings)), context_(context) {}
  const Settings settings_;
  SSL_CTX* const context_;
};

// One connection. One thread.
class TlsLink {
 public:
  // `protocol`: what is asked for by ALPN, "h2" or "http/1.1".
  TlsLink(const TlsClient& client, std::string_view protocol);
  ~TlsLink();
  TlsLink(const TlsLink&) = delete;
  TlsLink& operator=(const TlsLink&) = delete;

  // Records that are to be sent are appended to `out`.
  void Begin(std::string& out);
  bool established() const;
  std::string_view protocol() const;  // agreed on; empty: none was

  // What was received; it must stay until Read() has said that it needs more.
  void Offer(std::string_view records) { bytes_.arriving = records; }
  enum class State { kBytes, kNeedsMore, kClosed, kFailed };
  // kBytes: the content of records, `got` bytes of it.
  State Read(char* to, size_t size, size_t& got, std::string& out);
  // Once established; false: it has failed.
  bool Write(std::string_view bytes, std::string& out);

  // After kFailed: "certificate verify failed", …
  const std::string& error() const { return error_; }

 private:
  State Fail();

  SSL* ssl_ = nullptr;
  net::TlsBytes bytes_;
  std::string error_;
};

}  // namespace weir::surge

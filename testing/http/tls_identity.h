// A certificate for 127.0.0.1 and localhost, signed by itself, made for one test.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace weir::testing {

class TlsIdentity {
 public:
  TlsIdentity();
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  SSL_CTX* context() const { return context_; }
  // What a client that trusts it needs.
  const std::string& certificate_pem() const { return certificate_pem_; }
  const std::string& key_pem() const { return key_pem_; }

 private:
  SSL_CTX* context_;
  std::string certificate_pem_;
  std::string key_pem_;
};

}  // namespace weir::testing

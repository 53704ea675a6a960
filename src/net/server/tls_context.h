// OpenSSL's side of net/tls.h.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>

#include "net/tls.h"

namespace weir::net {

// The keys of session tickets: the newest makes them, and it and the one before read them. Shared
// by the contexts of before and after a reload, so that tickets outlive it.
class TicketKeys {
 public:
  TicketKeys(int64_t rotation_ms, const base::Clock& clock);
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  // As OpenSSL's SSL_CTX_set_tlsext_ticket_key_evp_cb asks for it: −1 error, 0 unknown key, 1 done,
  // 2 done, and the client should get a new ticket.
  int Use(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
          bool make);

 private:
  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> aes{};
    std::array<unsigned char, 32> hmac{};
    int64_t made_ns = 0;
    bool usable = false;
  };
  bool Rotate(int64_t now_ns);

  const int64_t rotation_ns_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::array<Key, 2> keys_;  // the newest first; guarded by mutex_
};

class OpenSslContext final : public TlsContext {
 public:
  OpenSslContext(const TlsOptions& options, const base::Clock& clock);

  base::Status Reload() override;
  base::Result<bool> ReloadIfChanged() override;
  int64_t expires_ms() const override;

  // A connection of what is in force now; nullptr: no memory. This object must outlive it.
  SSL* NewConnection() const;

 private:
  using Context = std::shared_ptr<SSL_CTX>;
  struct Loaded {
    Context context;
    int64_t expires_ms = 0;
  };
  base::Result<Loaded> LoadFiles() const;
  std::string Stamps() const;

  const std::unique_ptr<TicketKeys> tickets_;
  mutable std::mutex mutex_;
  Loaded loaded_;       // guarded by mutex_, likewise below
  std::string stamps_;  // of the files when they were read
};

}  // namespace weir::net

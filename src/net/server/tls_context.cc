#include "net/server/tls_context.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/sha256.h"

namespace weir::net {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// ALPN (RFC 7301), in the server's order: a length, then the name.
constexpr unsigned char kProtocols[] = "\x02h2\x08http/1.1";
constexpr char kCiphers12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

// Sessions are resumed only under the same: one that was begun with a certificate is verified anew
// when those who sign them have changed, or its ticket would outlive them.
base::Digest SessionContext(const std::string& client_ca_file) {
  std::ifstream file(client_ca_file, std::ios::binary);
  return base::Sha256(std::string(std::istreambuf_iterator<char>(file), {}));
}

// The first error, for those after it only say in which calls it came up.
std::string WhyItFailed() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(static_cast<int>(ERR_GET_REASON(code)));
  char text[256] = "no reason was given";
  if (code != 0) ERR_error_string_n(code, text, sizeof text);
  return text;
}

base::Error WrongFile(const char* key, const std::string& file) {
  return {base::ErrorCode::kInvalidArgument,
          std::string(key) + ": " + (file.empty() ? "is not set" : file + ": " + WhyItFailed())};
}

int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* size,
                   const unsigned char* offered, unsigned int offered_size, void*) {
  const int result = SSL_select_next_proto(const_cast<unsigned char**>(chosen), size, kProtocols,
                                           sizeof kProtocols - 1, offered, offered_size);
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int UseTicketKey(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                 EVP_MAC_CTX* mac, int make) {
  auto* keys = static_cast<TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  return keys->Use(name, iv, cipher, mac, make != 0);
}

}  // namespace

TicketKeys::TicketKeys(int64_t rotation_ms, const base::Clock& clock)
    : rotation_ns_(rotation_ms * kNsPerMs), clock_(clock) {}

TicketKeys::~TicketKeys() { OPENSSL_cleanse(keys_.data(), sizeof keys_); }

bool TicketKeys::Rotate(int64_t now_ns) {
  Key& newest = keys_[0];
  if (newest.usable && now_ns - newest.made_ns < rotation_ns_) return true;
  // One that is much older than its time is not kept as the one before, either.
  if (!newest.usable || now_ns - newest.made_ns >= 2 * rotation_ns_) newest.usable = false;
  keys_[1] = newest;
  newest.made_ns = now_ns;
  newest.usable = RAND_bytes(newest.name.data(), static_cast<int>(newest.name.size())) == 1 &&
                  RAND_bytes(newest.aes.data(), static_cast<int>(newest.aes.size())) == 1 &&
                  RAND_bytes(newest.hmac.data(), static_cast<int>(newest.hmac.size())) == 1;
  return newest.usable;
}

int TicketKeys::Use(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                    EVP_MAC_CTX* mac, bool make) {
  const std::lock_guard lock(mutex_);
  if (!Rotate(clock_.SteadyNs())) return -1;
  const Key* key = &keys_[0];
  int result = 1;
  if (make) {
    std::ranges::copy(key->name, name);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
  } else {
    const auto found = std::ranges::find_if(keys_, [&](const Key& candidate) {
      return candidate.usable && std::memcmp(candidate.name.data(), name, 16) == 0;
    });
    if (found == keys_.end()) return 0;
    key = &*found;
    result = found == keys_.begin() ? 1 : 2;
  }
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(
          OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key->hmac.data()), key->hmac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>("SHA256"), 0),
      OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return -1;
  const auto init = make ? EVP_EncryptInit_ex : EVP_DecryptInit_ex;
  return init(cipher, EVP_aes_256_cbc(), nullptr, key->aes.data(), iv) == 1 ? result : -1;
}

OpenSslContext::OpenSslContext(const TlsOptions& options, const base::Clock& clock)
    : TlsContext(options),
      tickets_(std::make_unique<TicketKeys>(options.ticket_rotation_ms, clock)) {}

base::Result<OpenSslContext::Loaded> OpenSslContext::LoadFiles() const {
  ERR_clear_error();
  SSL_CTX* const raw = SSL_CTX_new(TLS_server_method());
  WEIR_CHECK(raw != nullptr);
  Loaded loaded{.context = Context(raw, SSL_CTX_free)};
  SSL_CTX_set_min_proto_version(raw, options_.tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  WEIR_CHECK(SSL_CTX_set_cipher_list(raw, kCiphers12) == 1);
  SSL_CTX_set_alpn_select_cb(raw, ChooseProtocol, nullptr);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  const base::Digest session_context = SessionContext(options_.client_ca_file);
  SSL_CTX_set_session_id_context(raw, session_context.bytes.data(), session_context.bytes.size());
  SSL_CTX_set_timeout(raw, static_cast<long>(2 * options_.ticket_rotation_ms / 1000));
  SSL_CTX_set_num_tickets(raw, 1);
  SSL_CTX_set_app_data(raw, tickets_.get());
  SSL_CTX_set_tlsext_ticket_key_evp_cb(raw, UseTicketKey);

  if (SSL_CTX_use_certificate_chain_file(raw, options_.cert_file.c_str()) != 1) {
    return tl::unexpected(WrongFile("Tls.CertFile", options_.cert_file));
  }
  if (SSL_CTX_use_PrivateKey_file(raw, options_.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(raw) != 1) {
    return tl::unexpected(WrongFile("Tls.KeyFile", options_.key_file));
  }
  if (options_.client_certificates != ClientCertificates::kNone) {
    if (SSL_CTX_load_verify_file(raw, options_.client_ca_file.c_str()) != 1) {
      return tl::unexpected(WrongFile("Tls.ClientCa", options_.client_ca_file));
    }
    SSL_CTX_set_client_CA_list(raw, SSL_load_client_CA_file(options_.client_ca_file.c_str()));
    const bool required = options_.client_certificates == ClientCertificates::kRequired;
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
  }
  tm expires{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(raw)), &expires) == 1) {
    loaded.expires_ms = int64_t{timegm(&expires)} * 1000;
  }
  return loaded;
}

std::string OpenSslContext::Stamps() const {
  std::string stamps;
  for (const std::string* file :
       {&options_.cert_file, &options_.key_file, &options_.client_ca_file}) {
    struct stat status {};
    if (!file->empty() && stat(file->c_str(), &status) == 0) {
      stamps += std::to_string(status.st_ino) + "." + std::to_string(status.st_size) + "." +
                std::to_string(status.st_mtim.tv_sec) + "." +
                std::to_string(status.st_mtim.tv_nsec);
    }
    stamps += "/";
  }
  return stamps;
}

base::Status OpenSslContext::Reload() {
  std::string stamps = Stamps();
  auto loaded = LoadFiles();
  const std::lock_guard lock(mutex_);
  stamps_ = std::move(stamps);  // a file that is wrong is read again when it has changed
  if (!loaded) return tl::unexpected(loaded.error());
  loaded_ = std::move(*loaded);
  return {};
}

base::Result<bool> OpenSslContext::ReloadIfChanged() {
  {
    const std::lock_guard lock(mutex_);
    if (Stamps() == stamps_) return false;
  }
  WEIR_RETURN_IF_ERROR(Reload());
  return true;
}

int64_t OpenSslContext::expires_ms() const {
  const std::lock_guard lock(mutex_);
  return loaded_.expires_ms;
}

SSL* OpenSslContext::NewConnection() const {
  const std::lock_guard lock(mutex_);
  SSL* const ssl = SSL_new(loaded_.context.get());
  if (ssl) SSL_set_accept_state(ssl);
  return ssl;
}

base::Result<std::shared_ptr<TlsContext>> TlsContext::Load(const TlsOptions& options,
                                                           const base::Clock& clock) {
  auto context = std::make_shared<OpenSslContext>(options, clock);
  WEIR_RETURN_IF_ERROR(context->Reload());
  return std::shared_ptr<TlsContext>(std::move(context));
}

}  // namespace weir::net

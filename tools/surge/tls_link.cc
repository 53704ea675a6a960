#include "tools/surge/tls_link.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/check.h"

namespace weir::surge {
namespace {

bool IsAddress(const std::string& host) {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

}  // namespace

base::Result<std::shared_ptr<const TlsClient>> TlsClient::Make(const Settings& settings) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  WEIR_CHECK(context != nullptr);
  std::shared_ptr<const TlsClient> client(new TlsClient(settings, context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, settings.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  if (settings.insecure) return client;
  if (settings.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_locations(context, settings.ca_file.c_str(), nullptr) != 1) {
    ERR_clear_error();
    return base::Fail(base::ErrorCode::kInvalidArgument,
                      "--cacert: " + settings.ca_file + " holds no certificate that can be read");
  }
  return client;
}

TlsClient::~TlsClient() { SSL_CTX_free(context_); }

TlsLink::TlsLink(const TlsClient& client, std::string_view protocol)
    : ssl_(SSL_new(client.context_)) {
  BIO* const bio = net::NewBio(bytes_);
  WEIR_CHECK(ssl_ && bio);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_connect_state(ssl_);
  const std::string offered = static_cast<char>(protocol.size()) + std::string(protocol);
  SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(offered.data()),
                      static_cast<unsigned>(offered.size()));
  const std::string& host = client.settings_.host;
  if (IsAddress(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_, host.c_str());
    SSL_set1_host(ssl_, host.c_str());
  }
}

TlsLink::~TlsLink() { SSL_free(ssl_); }

bool TlsLink::established() const { return SSL_is_init_finished(ssl_) == 1; }

std::string_view TlsLink::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

void TlsLink::Begin(std::string& out) {
  bytes_.leaving = &out;
  ERR_clear_error();
  SSL_do_handshake(ssl_);  // writes its first message, and wants the answer to it
}

TlsLink::State TlsLink::Read(char* to, size_t size, size_t& got, std::string& out) {
  bytes_.leaving = &out;
  ERR_clear_error();
  const int result = SSL_read_ex(ssl_, to, size, &got);
  if (result == 1) return State::kBytes;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return State::kNeedsMore;
    case SSL_ERROR_ZERO_RETURN:
      return State::kClosed;
    default:
      return Fail();
  }
}

bool TlsLink::Write(std::string_view bytes, std::string& out) {
  bytes_.leaving = &out;
  ERR_clear_error();
  size_t written = 0;
  if (SSL_write_ex(ssl_, bytes.data(), bytes.size(), &written) == 1) return true;
  Fail();
  return false;
}

TlsLink::State TlsLink::Fail() {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  error_ = reason ? reason : "it ended";
  if (const long result = SSL_get_verify_result(ssl_); result != X509_V_OK) {
    error_ += std::string(" (") + X509_verify_cert_error_string(result) + ")";
  }
  ERR_clear_error();
  return State::kFailed;
}

}  // namespace weir::surge

#include "net/server/tls_transport.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace weir::net {
namespace {

// The largest record's content (RFC 8446, section 5.1), and room to gather several.
constexpr size_t kRecordBytes = 16u << 10;
constexpr size_t kBufferBytes = 4 * kRecordBytes;
// How long the peer may take for the last bytes after a close, and of how many.
constexpr int64_t kLingerNs = 30'000'000'000;
constexpr int64_t kLingerLookNs = 1'000'000'000;
constexpr size_t kLingeringMax = 1024;
constexpr std::string_view kSpeakTls =
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    "Content-Length: 40\r\n\r\nthis port speaks TLS: ask it by https://\n";

// The first is a handshake's (RFC 8446, section 5.1): a type, a version, a length. Anything else is
// for OpenSSL to judge at once.
bool FirstRecordIsWhole(std::string_view bytes) {
  constexpr char kHandshake = 22;
  constexpr size_t kHeaderBytes = 5;
  if (!bytes.empty() && bytes[0] != kHandshake) return true;
  if (bytes.size() < kHeaderBytes) return false;
  const auto byte = [&](size_t at) { return size_t{static_cast<unsigned char>(bytes[at])}; };
  const size_t size = kHeaderBytes + (byte(3) << 8 | byte(4));
  return bytes.size() >= std::min(size, TlsTransport::kHelloBytesMax);
}

}  // namespace

TlsTransport::TlsTransport(std::unique_ptr<Transport> inner, std::shared_ptr<TlsContext> context,
                           const base::Clock& clock)
    : inner_(std::move(inner)),
      context_(std::move(context)),
      openssl_(static_cast<OpenSslContext&>(*context_)),
      clock_(clock),
      slots_(context_->options().handshakes_max),
      buffer_(new char[kBufferBytes]) {}

TlsTransport::~TlsTransport() {
  for (Connection& connection : connections_) {
    if (connection.link) SSL_free(connection.link->ssl);
  }
}

ConnectionId TlsTransport::Adopt(int descriptor) {
  const ConnectionId id = inner_->Adopt(descriptor);
  if (id >= connections_.size()) connections_.resize(id + 1);
  Connection& connection = connections_[id];
  WEIR_CHECK(!connection.open);
  const bool again = connection.again;  // of an earlier one: it is still in the list
  connection = {};
  connection.again = again;
  connection.open = true;
  return id;
}

void TlsTransport::Wait(int64_t timeout_ns, TransportEvents& events) {
  events_ = &events;
  if (!again_.empty()) {
    timeout_ns = 0;
  } else if (!lingering_.empty()) {
    timeout_ns = timeout_ns < 0 ? kLingerLookNs : std::min(timeout_ns, kLingerLookNs);
  }
  if (slots_.anyone_waits()) {
    const int64_t until_ns = std::max<int64_t>(slots_.WorthAskingFromNs() - clock_.SteadyNs(), 0);
    timeout_ns = timeout_ns < 0 ? until_ns : std::min(timeout_ns, until_ns);
  }
  // Those of whom something comes now go behind those who have been put off.
  const bool behind = !again_.empty();
  handshakes_in_turn_ = behind ? kHandshakesPerTurn : 0;
  inner_->Wait(timeout_ns, *this);
  if (behind) handshakes_in_turn_ = 0;
  now_.swap(again_);
  for (const ConnectionId id : now_) {
    connections_[id].again = false;
    const Connection& connection = connections_[id];
    if (connection.open && connection.link && !connection.closing) Process(id, {});
  }
  now_.clear();
  for (const Ended ended : ended_) CloseBeneath(ended.id, ended.reset);
  ended_.clear();
  PassSlotsOn();
  if (!lingering_.empty()) EndLingering(clock_.SteadyNs(), false);
  events_ = nullptr;
}

void TlsTransport::OnAwake() { events_->OnAwake(); }

void TlsTransport::OnAccepted(int descriptor, std::string peer) {
  events_->OnAccepted(descriptor, std::move(peer));
}

void TlsTransport::Begin(ConnectionId id) {
  auto link = std::make_unique<Link>();
  link->ssl = openssl_.NewConnection();
  link->bytes.leaving = &encrypted_;
  BIO* const bio = link->ssl ? NewBio(link->bytes) : nullptr;
  if (!bio) {
    SSL_free(link->ssl);
    slots_.Leave(id);
    return TellBroken(id);
  }
  SSL_set_bio(link->ssl, bio, bio);
  connections_[id].link = std::move(link);
  const std::string hello = std::exchange(connections_[id].hello, {});
  Process(id, hello);
}

void TlsTransport::OnReceived(ConnectionId id, std::string_view bytes) {
  Connection& connection = connections_[id];
  if (connection.closing || connection.broken) return;
  if (connection.link) return Process(id, bytes);
  connection.hello.append(bytes);
  if (connection.held || !FirstRecordIsWhole(connection.hello)) return;
  if (slots_.Take(id, clock_.SteadyNs())) return Begin(id);
  connection.held = true;
  connection.kept_waiting_until_ns = kStillKept;
  SettlePause(id);
}

void TlsTransport::PassSlotsOn() {
  if (!slots_.anyone_waits()) return;
  const int64_t now_ns = clock_.SteadyNs();
  while (const auto late = slots_.Overdue(now_ns)) {
    context_->stats().stalled.fetch_add(1, std::memory_order_relaxed);
    EndHandshake(*late);
    TellBroken(*late);
    BeginNext(now_ns);
  }
  while (BeginNext(now_ns)) {
  }
}

bool TlsTransport::BeginNext(int64_t now_ns) {
  const auto next = slots_.Next(now_ns);
  if (!next) return false;
  connections_[*next].held = false;
  connections_[*next].kept_waiting_until_ns = now_ns;
  Begin(*next);
  SettlePause(*next);
  return true;
}

void TlsTransport::Process(ConnectionId id, std::string_view bytes) {
  Link& link = *connections_[id].link;
  if (connections_[id].broken) return;
  std::string joined;
  if (!link.stash.empty()) {
    joined = std::exchange(link.stash, {});
    joined.append(bytes);
    bytes = joined;
  }
  if (connections_[id].paused || (link.handshaking && handshakes_in_turn_ >= kHandshakesPerTurn)) {
    link.stash.assign(bytes);
    if (!connections_[id].paused) {
      connections_[id].held = true;
      slots_.Restart(id, clock_.SteadyNs());
      ProcessAgain(id);
      SettlePause(id);
    }
    return;
  }
  if (link.handshaking) ++handshakes_in_turn_;
  connections_[id].held = false;
  link.bytes.arriving = bytes;
  Deliver(id);
  if (connections_[id].link.get() == &link) {
    link.stash.assign(link.bytes.arriving);
    link.bytes.arriving = {};
    SettlePause(id);
    if (connections_[id].finish_pending && link.stash.empty() && !connections_[id].paused) {
      TellPeerFinished(id);
    }
  }
}

// By index throughout: what is told may make room for further connections.
void TlsTransport::Deliver(ConnectionId id) {
  Link& link = *connections_[id].link;
  for (bool more = true; more && !connections_[id].paused && !connections_[id].broken;) {
    size_t size = 0;
    int result = 1;
    while (size + kRecordBytes <= kBufferBytes) {
      ERR_clear_error();
      result = SSL_read(link.ssl, buffer_.get() + size, static_cast<int>(kBufferBytes - size));
      if (link.handshaking && SSL_is_init_finished(link.ssl)) Established(id);
      if (result <= 0) break;
      size += static_cast<size_t>(result);
    }
    const int error = result > 0 ? SSL_ERROR_NONE : SSL_get_error(link.ssl, result);
    const bool lost =
        error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN;
    more = error == SSL_ERROR_NONE;
    if (!Flush(id) && link.handshaking) more = false;
    if (size > 0) events_->OnReceived(id, {buffer_.get(), size});
    if (error == SSL_ERROR_ZERO_RETURN) TellPeerFinished(id);
    if (lost) Fail(id);
  }
}

bool TlsTransport::EndHandshake(ConnectionId id) {
  slots_.Leave(id);
  const auto& link = connections_[id].link;
  return link && std::exchange(link->handshaking, false);
}

void TlsTransport::Established(ConnectionId id) {
  EndHandshake(id);
  Link& link = *connections_[id].link;
  TlsStats& stats = context_->stats();
  (SSL_session_reused(link.ssl) ? stats.resumed : stats.full)
      .fetch_add(1, std::memory_order_relaxed);
  X509* const certificate = SSL_get0_peer_certificate(link.ssl);
  if (!certificate || SSL_get_verify_result(link.ssl) != X509_V_OK) return;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1) {
    link.certificate = base::ToHex({reinterpret_cast<const char*>(digest), size});
  }
}

void TlsTransport::Fail(ConnectionId id) {
  TlsStats& stats = context_->stats();
  std::atomic<uint64_t>* counter = &stats.broken;
  const unsigned long code = ERR_peek_error();
  switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
    case SSL_R_HTTP_REQUEST:
      counter = &stats.plain_http;
      break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
      counter = &stats.incompatible;
      break;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      counter = &stats.certificate;
      break;
    default:
      break;
  }
  ERR_clear_error();
  if (EndHandshake(id)) {
    counter->fetch_add(1, std::memory_order_relaxed);
    // It does not speak TLS: an alert would tell it nothing.
    if (counter == &stats.plain_http) inner_->Send(id, kSpeakTls);
  }
  TellBroken(id);
}

void TlsTransport::TellPeerFinished(ConnectionId id) {
  if (std::exchange(connections_[id].peer_finished, true)) return;
  events_->OnPeerFinished(id);
}

void TlsTransport::TellBroken(ConnectionId id) {
  if (std::exchange(connections_[id].broken, true)) return;
  events_->OnBroken(id);
}

// Without a close_notify the peer may have been cut off by somebody else; what it has sent whole
// was proved by its records, and HTTP knows whether a request is whole.
void TlsTransport::OnPeerFinished(ConnectionId id) {
  Connection& connection = connections_[id];
  if (connection.closing || connection.broken) return;
  if (EndHandshake(id) || !connection.hello.empty()) {
    context_->stats().broken.fetch_add(1, std::memory_order_relaxed);
    return TellBroken(id);
  }
  if (connection.link && !connection.link->stash.empty()) {
    connection.finish_pending = true;
    return;
  }
  TellPeerFinished(id);
}

void TlsTransport::OnWritable(ConnectionId id) {
  if (!Flush(id)) return;
  Connection& connection = connections_[id];
  if (connection.closing) return EndClosing(id, false);
  if (connection.finishing) return inner_->FinishSending(id);
  if (std::exchange(connection.want_writable, false)) events_->OnWritable(id);
}

void TlsTransport::OnBroken(ConnectionId id) {
  if (connections_[id].closing) return EndClosing(id, true);
  if (EndHandshake(id)) context_->stats().broken.fetch_add(1, std::memory_order_relaxed);
  TellBroken(id);
}

bool TlsTransport::Flush(ConnectionId id) {
  Connection& connection = connections_[id];
  std::string_view bytes = encrypted_;
  if (!connection.unsent.empty()) {
    connection.unsent.append(encrypted_);
    bytes = connection.unsent;
  }
  const size_t taken = bytes.empty() ? 0 : inner_->Send(id, bytes);
  const bool all = taken == bytes.size();
  if (!connection.unsent.empty()) {
    connection.unsent.erase(0, taken);
    if (all) std::string().swap(connection.unsent);
  } else if (!all) {
    connection.unsent.assign(bytes.substr(taken));
  }
  encrypted_.clear();
  if (encrypted_.capacity() > 4 * kPendingMax) std::string().swap(encrypted_);
  return all;
}

size_t TlsTransport::Send(ConnectionId id, std::string_view bytes) {
  Connection& connection = connections_[id];
  size_t taken = 0;
  const bool ready = connection.link && !connection.link->handshaking && !connection.broken &&
                     !connection.finishing && connection.unsent.empty();
  bool all_left = ready;
  while (all_left && taken < bytes.size()) {
    ERR_clear_error();
    const size_t piece = std::min(kRecordBytes, bytes.size() - taken);
    const int written =
        SSL_write(connection.link->ssl, bytes.data() + taken, static_cast<int>(piece));
    if (written <= 0) break;  // the peer has broken the protocol: reading says so
    taken += static_cast<size_t>(written);
    if (encrypted_.size() >= kPendingMax || taken == bytes.size()) all_left = Flush(id);
  }
  if (!encrypted_.empty()) Flush(id);
  if (taken < bytes.size()) connection.want_writable = true;
  return taken;
}

void TlsTransport::SettlePause(ConnectionId id) {
  Connection& connection = connections_[id];
  if (!connection.open || connection.closing) return;
  const bool pause = connection.paused || connection.held;
  if (pause == connection.told_paused) return;
  connection.told_paused = pause;
  if (pause) {
    inner_->PauseReceiving(id);
  } else {
    inner_->ResumeReceiving(id);
  }
}

void TlsTransport::PauseReceiving(ConnectionId id) {
  connections_[id].paused = true;
  SettlePause(id);
}

void TlsTransport::ResumeReceiving(ConnectionId id) {
  Connection& connection = connections_[id];
  connection.paused = false;
  if (connection.link &&
      (!connection.link->stash.empty() || !connection.link->bytes.arriving.empty() ||
       SSL_has_pending(connection.link->ssl))) {
    ProcessAgain(id);
  }
  SettlePause(id);
}

void TlsTransport::ProcessAgain(ConnectionId id) {
  if (std::exchange(connections_[id].again, true)) return;
  again_.push_back(id);
}

void TlsTransport::FinishSending(ConnectionId id) {
  Connection& connection = connections_[id];
  if (std::exchange(connection.finishing, true)) return;
  if (connection.link && !connection.link->handshaking && !connection.broken) {
    ERR_clear_error();
    SSL_shutdown(connection.link->ssl);
  }
  if (Flush(id)) inner_->FinishSending(id);
}

void TlsTransport::Close(ConnectionId id, bool reset) {
  Connection& connection = connections_[id];
  if (EndHandshake(id)) {
    context_->stats().stalled.fetch_add(1, std::memory_order_relaxed);
  } else if (!reset && !connection.broken) {
    if (!connection.finishing && connection.link) {
      ERR_clear_error();
      SSL_shutdown(connection.link->ssl);
    }
    if (!Flush(id) && lingering_.size() < kLingeringMax) {
      connection.closing = true;
      lingering_.push_back({id, clock_.SteadyNs() + kLingerNs});
      return;
    }
  }
  CloseBeneath(id, reset);
}

// The transport beneath is telling of it: it is closed when that is over.
void TlsTransport::EndClosing(ConnectionId id, bool reset) {
  std::erase_if(lingering_, [id](const Lingering& one) { return one.id == id; });
  const bool known = std::ranges::any_of(ended_, [id](const Ended& one) { return one.id == id; });
  if (!known) ended_.push_back({id, reset});
}

void TlsTransport::CloseBeneath(ConnectionId id, bool reset) {
  Connection& connection = connections_[id];
  if (connection.link) SSL_free(connection.link->ssl);
  const bool again = connection.again;
  connection = {};
  connection.again = again;  // it is still in the list
  inner_->Close(id, reset);
}

void TlsTransport::EndLingering(int64_t now_ns, bool all) {
  while (!lingering_.empty() && (all || lingering_.front().until_ns <= now_ns)) {
    const ConnectionId id = lingering_.front().id;
    lingering_.pop_front();
    CloseBeneath(id, true);
  }
}

std::string_view TlsTransport::Protocol(ConnectionId id) const {
  const Connection& connection = connections_[id];
  if (!connection.link) return {};
  const unsigned char* name = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(connection.link->ssl, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string_view TlsTransport::PeerCertificate(ConnectionId id) const {
  const Connection& connection = connections_[id];
  return connection.link ? std::string_view(connection.link->certificate) : std::string_view();
}

void TlsTransport::Finish() {
  EndLingering(0, true);
  inner_->Finish();
}

}  // namespace weir::net

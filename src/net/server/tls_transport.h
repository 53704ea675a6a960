// TLS between a transport and the sessions above it, which do not notice.
//
// Records are decrypted where the transport received them, and what is to be sent is encrypted into
// a buffer of the loop's: a connection at rest holds OpenSSL's state and no buffer. It holds
// nothing at all before its first byte. What has been taken and not sent yet is at most kPendingMax
// of ciphertext a connection; then Send() takes nothing until that has left.
//
// Handshakes cost more than anything else a client may ask for: at most TlsOptions::handshakes_max
// are under way (handshake_slots.h), and at most kHandshakesPerTurn are carried on in a turn of the
// loop, so that established connections are served in between. The rest is not read. One begins
// when the client has sent its first record whole: until then it costs kHelloBytesMax at most, and
// no slot.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "net/server/handshake_slots.h"
#include "net/server/tls_context.h"
#include "net/server/transport.h"
#include "net/tls_bytes.h"

namespace weir::net {

class TlsTransport final : public Transport, private TransportEvents {
 public:
  static constexpr size_t kPendingMax = 64u << 10;
  static constexpr unsigned kHandshakesPerTurn = 16;
  // More than a ClientHello has: about 2,000 bytes with a post-quantum key share.
  static constexpr size_t kHelloBytesMax = 4096;

  TlsTransport(std::unique_ptr<Transport> inner, std::shared_ptr<TlsContext> context,
               const base::Clock& clock);
  ~TlsTransport() override;

  void StartAccepting(int listener) override { inner_->StartAccepting(listener); }
  void StopAccepting() override { inner_->StopAccepting(); }
  ConnectionId Adopt(int descriptor) override;
  void Wait(int64_t timeout_ns, TransportEvents& events) override;
  void Wake() override { inner_->Wake(); }
  size_t Send(ConnectionId id, std::string_view bytes) override;
  void PauseReceiving(ConnectionId id) override;
  void ReceiveLess(bool less) override { inner_->ReceiveLess(less); }
  void ResumeReceiving(ConnectionId id) override;
  void FinishSending(ConnectionId id) override;
  void Close(ConnectionId id, bool reset) override;
  std::string_view Protocol(ConnectionId id) const override;
  std::string_view PeerCertificate(ConnectionId id) const override;
  int64_t KeptWaitingUntilNs(ConnectionId id) const override {
    return connections_[id].kept_waiting_until_ns;
  }
  void Finish() override;

 private:
  // What a connection needs from its first byte on.
  struct Link {
    SSL* ssl = nullptr;
    TlsBytes bytes;           // what arrives does so during a call
    std::string stash;        // the same, between calls
    std::string certificate;  // of the peer
    bool handshaking = true;
  };
  struct Connection {
    std::unique_ptr<Link> link;
    std::string unsent;  // encrypted, and not yet taken by the transport beneath
    std::string hello;   // its first bytes, until its handshake begins
    int64_t kept_waiting_until_ns = kNeverKept;
    bool open = false;
    bool paused = false;  // by the session
    bool held = false;    // by ourselves
    bool told_paused = false;
    bool again = false;      // in again_
    bool finishing = false;  // nothing more is sent after `unsent`
    bool want_writable = false;
    bool peer_finished = false;   // told
    bool finish_pending = false;  // to be told after what is stashed
    bool broken = false;
    bool closing = false;  // the session has closed it, and `unsent` is still to leave
  };
  struct Lingering {
    ConnectionId id;
    int64_t until_ns;
  };
  struct Ended {
    ConnectionId id;
    bool reset;
  };

  void OnAwake() override;
  void OnWoken() override { events_->OnWoken(); }
  void OnAccepted(int descriptor, std::string peer) override;
  void OnReceived(ConnectionId id, std::string_view bytes) override;
  void OnPeerFinished(ConnectionId id) override;
  void OnWritable(ConnectionId id) override;
  void OnBroken(ConnectionId id) override;

  // With what it has sent; it has a slot.
  void Begin(ConnectionId id);
  // To those who wait, from those who have stalled.
  void PassSlotsOn();
  bool BeginNext(int64_t now_ns);
  // Lets OpenSSL look at `bytes`, and passes on what they hold.
  void Process(ConnectionId id, std::string_view bytes);
  void Deliver(ConnectionId id);
  void Established(ConnectionId id);
  // OpenSSL has returned an error: the connection is lost, and counted by why.
  void Fail(ConnectionId id);
  void TellPeerFinished(ConnectionId id);
  void TellBroken(ConnectionId id);
  // False: none was under way.
  bool EndHandshake(ConnectionId id);
  // Gives what OpenSSL has written to the transport beneath. False: not all of it was taken.
  bool Flush(ConnectionId id);
  void ProcessAgain(ConnectionId id);
  void SettlePause(ConnectionId id);
  void EndClosing(ConnectionId id, bool reset);
  void CloseBeneath(ConnectionId id, bool reset);
  void EndLingering(int64_t now_ns, bool all);

  const std::unique_ptr<Transport> inner_;
  const std::shared_ptr<TlsContext> context_;
  OpenSslContext& openssl_;
  const base::Clock& clock_;
  TransportEvents* events_ = nullptr;  // during Wait()
  std::vector<Connection> connections_;
  std::vector<ConnectionId> again_;  // to be processed in the next turn
  std::vector<ConnectionId> now_;    // scratch
  HandshakeSlots slots_;
  std::deque<Lingering> lingering_;
  std::vector<Ended> ended_;  // of those, in this turn
  unsigned handshakes_in_turn_ = 0;
  std::string encrypted_;  // what OpenSSL wrote during this call
  std::unique_ptr<char[]> buffer_;
};

}  // namespace weir::net

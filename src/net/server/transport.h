// The seam to sockets. A loop owns one Transport and meets its connections only through it, so that
// what lies beneath (epoll, io_uring; TLS between) can change without HTTP noticing.
//
// Everything runs on the loop's thread except Wake(), which any thread may call. Events are only
// delivered from within Wait(). No call here blocks but Wait().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::net {

// Dense from 0, for use as an index. Named anew only after Close() of its former holder.
using ConnectionId = uint32_t;

class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  // The wait is over; the events of this turn follow.
  virtual void OnAwake() = 0;
  // Wake() was called. It comes in its turn: after what was ready before the call, so the time
  // between the two is how long a request waits to be received.
  virtual void OnWoken() = 0;
  // A connection was accepted. The descriptor is the callee's: it goes to some loop's Adopt(), or
  // is closed. `peer` is the address without its port.
  virtual void OnAccepted(int descriptor, std::string peer) = 0;
  // The bytes are valid during the call: what is still needed must be copied.
  virtual void OnReceived(ConnectionId id, std::string_view bytes) = 0;
  // The peer will send no more; it may still receive.
  virtual void OnPeerFinished(ConnectionId id) = 0;
  // After a Send() that did not take everything: it is worth trying again.
  virtual void OnWritable(ConnectionId id) = 0;
  // The connection is lost. Told once; Close() is still to be called.
  virtual void OnBroken(ConnectionId id) = 0;
};

class Transport {
 public:
  static constexpr int64_t kForever = -1;

  virtual ~Transport() = default;

  // Accepts from a listening descriptor, which stays the caller's. At most one.
  virtual void StartAccepting(int listener) = 0;
  virtual void StopAccepting() = 0;

  // Takes over a connected, non-blocking descriptor and begins to receive.
  virtual ConnectionId Adopt(int descriptor) = 0;

  // Waits until something happens, `timeout_ns` have passed (rounded up to the clock beneath), or
  // Wake() was called since the last Wait(); then delivers the events of one turn.
  virtual void Wait(int64_t timeout_ns, TransportEvents& events) = 0;
  virtual void Wake() = 0;

  // Returns how many bytes were taken: they are copied, and may leave with the next Wait(). Fewer
  // than all: OnWritable or OnBroken follows.
  virtual size_t Send(ConnectionId id, std::string_view bytes) = 0;
  // Between the two nothing is received, and the peer is slowed down in the end.
  virtual void PauseReceiving(ConnectionId id) = 0;
  virtual void ResumeReceiving(ConnectionId id) = 0;
  // From now on little is received at once, or as much as ever, of every connection.
  virtual void ReceiveLess(bool) {}
  // Nothing more will be sent; receiving goes on.
  virtual void FinishSending(ConnectionId id) = 0;
  // No event of this connection follows. What Send() took still reaches a peer that reads it in
  // reasonable time; `reset` discards what the peer has not yet taken and tells it that the
  // connection failed.
  virtual void Close(ConnectionId id, bool reset) = 0;
  // What TLS has agreed on (ALPN): "h2", "http/1.1"; empty without TLS, or if it has not.
  virtual std::string_view Protocol(ConnectionId) const { return {}; }
  // SHA-256 of the certificate that the peer has shown and proved, in hexadecimal digits; empty
  // without TLS, and before there is anything to receive.
  virtual std::string_view PeerCertificate(ConnectionId) const { return {}; }
  // Until when the connection could not go on because of us (steady clock), whatever its client
  // did: so long its time does not run. kStillKept: it still cannot.
  static constexpr int64_t kNeverKept = INT64_MIN;
  static constexpr int64_t kStillKept = INT64_MAX;
  virtual int64_t KeptWaitingUntilNs(ConnectionId) const { return kNeverKept; }
  // After everything was closed, on the loop's thread, in place of a further Wait(): when it
  // returns no socket is held any more.
  virtual void Finish() {}
};

}  // namespace weir::net

// What one connection carries, in one protocol: requests out, answers in. The worker that owns the
// connection moves the bytes; TLS, if there is any, lies below. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tools/surge/answer_parser.h"

namespace weir::surge {

struct Outgoing {
  std::string_view http1;  // the whole request as HTTP/1.1 has it
  std::string_view body;   // of it
  uint64_t tag = 0;        // the sender's own name for it
  int64_t due_ns = 0;      // steady clock
};

class Exchange {
 public:
  // An answer that needs more than this is none of ours.
  static constexpr size_t kAnswerBytesMax = 8u << 20;

  struct Sent {
    uint64_t tag = 0;
    int64_t due_ns = 0;
    int64_t sent_ns = 0;
  };
  enum class Why {
    kBroken,    // the connection ended, or what came was not the protocol
    kTakenBack  // HTTP/2: the server reset the stream, or closes the connection before it
  };
  // Of every request exactly one of these is called.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void Answered(const Sent& sent, const Answer& answer) = 0;
    virtual void Lost(const Sent& sent, Why why) = 0;
  };
  enum class Verdict {
    kGoOn,
    kClose,   // the connection has served its time
    kBroken,  // it cannot be used, and error() may say why
  };

  virtual ~Exchange() = default;

  // Appends what is to be sent as soon as the connection stands.
  virtual void Begin(std::string& out) = 0;
  // Whether the peer has said all that must be known before the first request.
  virtual bool begun() const = 0;
  // How many requests may be sent now.
  virtual unsigned room() const = 0;
  virtual unsigned in_flight() const = 0;
  // When the oldest request in flight was sent; INT64_MAX: there is none.
  virtual int64_t oldest_sent_ns() const = 0;

  // While there is room. Appends the request to `out`, which is to be sent.
  virtual void Send(const Outgoing& request, int64_t now_ns, std::string& out) = 0;
  // `all_sent`: all that was appended before has left. What is to be sent is appended to `out`.
  virtual Verdict Receive(std::string_view bytes, bool all_sent, Owner& owner,
                          std::string& out) = 0;
  // The connection is gone, and what was in flight with it.
  virtual void Abandon(Owner& owner) = 0;
  virtual std::string_view error() const { return {}; }
};

}  // namespace weir::surge

// What a handler sees of HTTP, whatever the protocol's version and the transport beneath.
//
// A connection lives and dies on one Loop; everything here happens on that loop's thread. A request
// is named by its Ticket for as long as it is unanswered: a handler may answer at once, or keep the
// ticket and answer later from the same loop (Loop::Post brings other threads there). Answering a
// ticket whose connection has gone does nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::net {

enum class Method : uint8_t { kGet, kHead, kPost, kPut, kDelete, kOptions, kPatch, kOther };
std::string_view Name(Method method);

// Opaque; unique in its loop for as long as the server runs. Never 0.
using Ticket = uint64_t;

struct Header {
  std::string_view name;  // as it was sent
  std::string_view value;
};

// Views are valid during the call that passes the request, and no longer.
struct Request {
  Ticket ticket = 0;
  Method method = Method::kGet;
  std::string_view target;  // as it was sent
  std::string_view path;    // up to '?', not decoded
  std::string_view query;   // after '?'
  std::span<const Header> headers;
  std::string_view authorization;  // looked up once; empty if absent, likewise below
  std::string_view content_type;
  std::string_view body = "";  // decoded (chunks, gzip), data() not null; empty in OnHeaders
  std::optional<uint64_t> content_length;
  bool has_body = false;
  int64_t received_ns = 0;  // steady clock, when the first byte was read
  std::string_view peer;    // "127.0.0.1"
  // SHA-256 of the certificate that the client has proved, in hexadecimal digits; empty if none.
  std::string_view peer_certificate;

  // Case-insensitive; the first of several.
  std::string_view Find(std::string_view name) const;
  // All of them, in order.
  std::vector<std::string_view> FindAll(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string_view headers;  // further header lines, each ending in CRLF
  std::string_view body;
  bool close = false;  // close the connection after this answer
};

// An answer in pieces (NDJSON, CSV, events). On the loop's thread only.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  // Takes the bytes. False: more than the connection's limit waits to be sent; write again after
  // on_drained. Bytes already given are never lost.
  virtual bool Write(std::string_view bytes) = 0;
  virtual void End() = 0;
  // Ends without the terminating chunk, so that the client sees a broken answer.
  virtual void Abort() = 0;
  // Exactly one of them is called at the end of the connection or of the answer: closed(false) if
  // the client went away first.
  virtual void OnDrained(std::function<void()> drained) = 0;
  virtual void OnClosed(std::function<void(bool complete)> closed) = 0;
  // False: only the header is sent, as to HEAD, and what is written is passed over.
  virtual bool has_body() const = 0;
};

// Receives a request body in pieces, instead of one whole body.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // Decoded bytes. False: stop reading until Loop::ResumeBody(ticket). The bytes are taken.
  virtual bool OnBody(std::string_view bytes) = 0;
  virtual void OnEnd() = 0;
  // The client went away, or sent something malformed (then it has been answered).
  virtual void OnAbort() = 0;
};

// Statuses from here on are told of without a mark, too: see Handler::OnAnswered().
inline constexpr int kRefusedFrom = 400;

// What a handler wants to know again when a request has been answered.
struct Mark {
  uint32_t value = 0;  // the handler's own, like the next; both 0: no mark
  uint32_t span = 0;
  int64_t since_ns = 0;
  bool none() const { return value == 0 && span == 0; }
};

class DeadlineWheel;
struct Offloaded;
template <typename Request>
class Unanswered;

class Loop {
 public:
  virtual ~Loop() = default;
  virtual unsigned index() const = 0;

  // The thread of the loop only:
  virtual void Respond(Ticket ticket, const Response& response) = 0;
  // Chunked (or until close, for HTTP/1.0). Nullptr if the connection has gone. The writer lives
  // until its closed callback returned.
  virtual BodyWriter* RespondStreaming(Ticket ticket, const Response& head) = 0;
  virtual void ResumeBody(Ticket ticket) = 0;
  virtual bool alive(Ticket ticket) const = 0;
  // Handler::OnAnswered() follows once, unless the ticket was answered already.
  virtual void SetMark(Ticket ticket, Mark mark) = 0;
  // Runs once, `delay_ms` from now, on this loop.
  virtual void After(int delay_ms, std::function<void()> task) = 0;
  virtual int64_t now_ns() const = 0;  // steady, read once per turn
  virtual DeadlineWheel& deadlines() = 0;
  virtual Unanswered<Offloaded>& offloaded() = 0;  // see Offload()

  // Any thread: runs `task` on the loop. Wakes it at most once per turn, however many are posted.
  // False once the loop has stopped.
  virtual bool Post(std::function<void()> task) = 0;
};

// One per loop: its state needs no lock.
class Handler {
 public:
  virtual ~Handler() = default;

  // After the header, before the body: a refusal (respond, then return kRefused), a reader for a
  // body taken in pieces, or kWhole to get it all in OnRequest. `Expect: 100-continue` is answered
  // by the server after this returned anything but kRefused.
  enum class Take { kWhole, kInPieces, kRefused };
  struct Decision {
    Take take = Take::kWhole;
    BodyReader* reader = nullptr;  // for kInPieces; must live until OnEnd or OnAbort
  };
  virtual Decision OnHeaders(Loop&, const Request&) { return {}; }

  // A whole request. Answered in this call or later.
  virtual void OnRequest(Loop& loop, const Request& request) = 0;

  // A request that was marked is answered (an answer in pieces has begun), or its client has left:
  // status 0. One that was not marked is told of when its status is 400 or more: the server itself
  // refuses what it cannot read. Called from within Respond() and the like: it must not answer
  // anything itself.
  virtual void OnAnswered(Loop&, Mark, int /*status*/) {}

  // How long what had become ready waited for its turn: measured each 10 ms while there is work.
  virtual void OnLag(Loop&, int64_t /*lag_ns*/) {}

  // All events of this turn of the loop are handled. True: something was gathered and is kept, for
  // more to be handed over with it; then further turns follow at once, or OnIdle().
  virtual bool OnTurnEnd(Loop&) { return false; }
  // Nothing is ready and the loop is about to wait: hand over what was kept.
  virtual void OnIdle(Loop&) {}

  // The body of an answer that the server itself gives (400, 408, 413, 431 …): problem+json.
  virtual std::string Problem(int status, std::string_view detail) = 0;
};

}  // namespace weir::net

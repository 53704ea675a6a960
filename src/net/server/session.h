// A connection's protocol, between the transport's bytes and the handler's requests: HTTP/1.1
// (http1_session.h) or HTTP/2 (http2_session.h). What both do alike is here.
//
// SessionHost is what the sessions of one loop share. Nothing here calls back into a session from
// within a session's own call: what must follow is deferred to the end of the turn, so that a
// handler may do anything anywhere.
//
// Requests that have arrived in part share a memory. Past its bound nobody who holds some of it is
// read (the client's TCP waits) until there is room again. So that they cannot wait for one another
// for ever, a few at a time go on all the same, in their order, within a reserve; what others have
// sent when even that is used up is refused with 503. The time of who waits runs on, so that a
// client that stands still holds nobody up for longer than that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/deadline_wheel.h"
#include "net/http.h"
#include "net/server.h"
#include "net/server/body_decoder.h"
#include "net/server/counters.h"
#include "net/server/request_head.h"
#include "net/server/response_head.h"
#include "net/server/transport.h"

namespace weir::net {

class SessionHost;
class StreamedAnswer;

class Session : public DeadlineWheel::Entry {
 public:
  Session(SessionHost& host, ConnectionId id, std::string peer)
      : host_(host), peer_(std::move(peer)), id_(id) {}
  virtual ~Session() = default;

  ConnectionId id() const { return id_; }
  bool closing() const { return closing_; }  // SessionHost::Close was called

  // From the transport.
  virtual void OnReceived(std::string_view bytes) = 0;
  virtual void OnPeerFinished() = 0;
  virtual void OnWritable() = 0;

  // From the handler; `sequence` is the ticket's.
  virtual void Respond(uint64_t sequence, const Response& response) = 0;
  virtual BodyWriter* RespondStreaming(uint64_t sequence, const Response& head) = 0;
  virtual void ResumeBody(uint64_t sequence) = 0;
  virtual bool alive(uint64_t sequence) const = 0;
  virtual void SetMark(uint64_t sequence, Mark mark) = 0;  // see Loop::SetMark

  // From the loop: what was deferred, the server's stop.
  virtual void Advance() = 0;
  virtual void Drain() = 0;
  // Gives up everything that others still wait for: see SessionHost::Abandon. Called once, last.
  virtual void Abandon() = 0;
  virtual uint64_t next_sequence() const = 0;  // the first that this session has not used

 protected:
  // How long a client may take to read its last answer while we drop what it still sends. Closing
  // at once would reset the connection, and the answer with it.
  static constexpr int64_t kLingerNs = 2'000'000'000;

  // The request in the host's head has this sequence; `received_ns`: see Request.
  void CompleteHead(uint64_t sequence, int64_t received_ns);
  // How large a body may be that is taken so.
  uint64_t BodyBytesMax(Handler::Take take) const;
  // Why the body of the request in the host's head is not taken, as far as its header says.
  [[nodiscard]] Refusal RefusalOfBody(uint64_t bytes_max) const;
  // Passes the request in the host's head on, with all of its body, still in its coding; or says
  // why it cannot be.
  [[nodiscard]] Refusal HandleWhole(std::string_view body, Coding coding);
  // Stops or goes on receiving.
  void SetPaused(bool pause);
  // Not read for want of memory: see SessionHost::ReserveMemory.
  bool awaits_memory() const { return memory_ == Memory::kAwaited; }

  SessionHost& host_;
  const std::string peer_;

 private:
  friend class SessionHost;
  const ConnectionId id_;
  enum class Memory : uint8_t { kOwn, kAwaited, kOfReserve };
  Memory memory_ = Memory::kOwn;
  size_t memory_held_ = 0;  // partial requests, in bytes
  size_t holder_ = 0;       // if it holds any: its place among SessionHost::holders_
  bool deferred_ = false;
  bool closing_ = false;
  bool paused_ = false;  // the transport was told
};

// A loop's shares of what Limits bounds for all connections.
struct MemoryShares {
  MemoryShares(const Limits& limits, size_t loops)
      : bodies_max(limits.body_memory_bytes_max / loops),
        answers_max(limits.answer_memory_bytes_max / loops) {}
  size_t bodies_max;
  size_t answers_max;
};

class SessionHost {
 public:
  SessionHost(Loop& loop, Handler& handler, Transport& transport, const Limits& limits,
              const MemoryShares& memory, std::string_view server_name, int64_t now_ns);

  Loop& loop;
  Handler& handler;
  Transport& transport;
  const Limits limits;
  Counters counters;

  // Of this turn.
  int64_t now_ns;
  int64_t wall_ms = 0;
  bool handler_ran = false;
  std::string_view common_headers() { return common_headers_.At(wall_ms); }

  // Scratch of whoever is reading a request; only one is at a time.
  RequestHead head;
  BodyDecoder decoder;
  std::string decoded;

  // Partial requests that a session holds, in bytes. False: over the loop's share and the reserve;
  // nothing was added. Over the share alone: who holds any awaits memory, and is not read.
  bool ReserveMemory(Session& session, ptrdiff_t bytes);
  // It awaits none any longer, and holds none of the reserve.
  void ForgetMemory(Session& session);
  // Defers those that may go on.
  void GrantMemory();
  bool may_grant_memory() const;
  size_t memory_held() const { return memory_held_; }
  bool memory_is_short() const { return memory_held_ > memory_.bodies_max; }

  // Answers that wait for their clients, in bytes: more, or fewer.
  void CountAnswers(ptrdiff_t bytes) { answers_held_ += static_cast<size_t>(bytes); }
  size_t answers_held() const { return answers_held_; }
  // Whether an answer with so long a body may wait as well: one at a time goes beyond the bound. A
  // small one always may, for each connection has its own bound for those.
  bool HasRoomForAnswer(size_t bytes) const {
    return bytes <= kSmallAnswer || answers_held_ < memory_.answers_max;
  }

  // Empty strings with memory, for answers under way.
  std::string TakeBuffer();
  void GiveBuffer(std::string&& buffer);

  // Advance() will be called before the loop waits again.
  void Defer(Session& session);
  // The connection is closed at the end of the turn; `reset`: see Transport::Close.
  void Close(Session& session, bool reset);
  void SetDeadline(Session& session, int64_t deadline_ns) { wheel_.Set(session, deadline_ns); }

  // Of what is refused. Its body is written to `*body`, which must outlive it. Until the next call.
  Response AnswerTo(Refusal refusal, std::string* body);

  // Told at the end of the turn, in this order, that they ended.
  void NotifyClosed(std::unique_ptr<StreamedAnswer> answer, bool complete);
  void NotifyAborted(BodyReader* reader);

  static Ticket MakeTicket(ConnectionId id, uint64_t sequence);
  static ConnectionId ConnectionOf(Ticket ticket);
  static uint64_t SequenceOf(Ticket ticket);

  struct Closing {
    Session* session;
    bool reset;
  };
  struct Notice {
    std::unique_ptr<StreamedAnswer> answer;  // or else:
    BodyReader* reader = nullptr;
    bool complete = false;
  };
  // Worked off by the loop.
  std::vector<Session*> deferred;
  std::vector<Closing> closing;
  std::vector<Notice> notices;
  void Undefer(Session& session) { session.deferred_ = false; }
  static bool IsDeferred(const Session& session) { return session.deferred_; }

 private:
  bool reserve_has_room() const {
    return (of_reserve_ + 1) * limits.body_bytes_max <= memory_reserve_ / 2;
  }
  void NoteHeld(Session& session, ptrdiff_t bytes);
  void AwaitMemory(Session& session);

  DeadlineWheel& wheel_;
  CommonHeaders common_headers_;
  static constexpr size_t kSmallAnswer = 16u << 10;

  const MemoryShares memory_;
  size_t memory_held_ = 0;
  size_t answers_held_ = 0;
  std::string retry_after_;  // of AnswerTo()
  const size_t memory_reserve_;
  std::vector<Session*> holders_;          // of memory
  std::vector<Session*> awaiting_memory_;  // in the order in which they came
  size_t of_reserve_ = 0;                  // sessions that go on although memory is short
  std::vector<std::string> buffers_;
};

}  // namespace weir::net

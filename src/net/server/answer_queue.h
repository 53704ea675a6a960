// The answers of one connection, in the order of its requests.
//
// Requests that were pipelined may be answered in any order; what comes early is kept until its
// turn. So the durable answers of a connection can share a sync, and leave in one send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "net/server/session.h"
#include "net/server/streamed_answer.h"

namespace weir::net {

class AnswerQueue final : public AnswerSink {
 public:
  struct Traits {
    bool head = false;  // the request was HEAD
    bool http11 = true;
    bool keep_alive = false;  // the client's wish
  };

  AnswerQueue(SessionHost& host, Session& session, uint64_t first_sequence)
      : host_(host), session_(session), first_(first_sequence), next_(first_sequence) {}

  // A request has come: its place in the order.
  uint64_t Open(Traits traits);
  bool IsOpen(uint64_t sequence) const;        // not answered, nor begun to be
  bool IsUnfinished(uint64_t sequence) const;  // open, or still streaming
  size_t open() const { return next_ - first_; }
  uint64_t next_sequence() const { return next_; }

  // The handler is told when it is answered; nothing happens if it already is.
  void SetMark(uint64_t sequence, Mark mark);
  // Nothing happens if `sequence` is not open.
  void Respond(uint64_t sequence, const Response& response);
  StreamedAnswer* Stream(uint64_t sequence, const Response& head);
  // Sends "100 Continue" when the request's turn comes, unless it is answered before.
  void WantContinue(uint64_t sequence);
  void CancelContinue(uint64_t sequence);
  // The connection ends with this answer (or does not), if its header has not been written yet.
  void SetClose(uint64_t sequence, bool close);
  bool closes(uint64_t sequence) const;

  // The last answer has been queued: no further one will be.
  bool finished() const { return finished_; }
  // The client is not to be trusted with a further answer after the one to `sequence`, the newest
  // request, which has been answered or is being streamed: ends the connection there.
  void CloseAfter(uint64_t sequence);
  // A writer gave up: the connection is to be closed, `reset` so that the client notices.
  bool aborted() const { return aborted_; }
  bool reset() const { return reset_; }
  bool has_endless() const;

  // Gives the transport what it takes. True if it took something.
  bool Flush();
  size_t pending() const { return out_.size() - sent_; }
  // And what waits for its turn behind an earlier request.
  size_t waiting() const { return pending() + held_bytes_; }
  bool wants_drained() const;
  void CallDrained();
  // The connection is gone.
  void Abandon();

 private:
  std::string& OutputOf(StreamedAnswer& answer) override;
  size_t PendingOf(StreamedAnswer& answer) override;
  size_t bytes_max() const override { return host_.limits.send_buffer_bytes_max; }
  void Touched() override { host_.Defer(session_); }
  void Ended(StreamedAnswer& answer) override;
  void Aborted(StreamedAnswer& answer) override;

  enum class State : uint8_t { kOpen, kHeld, kStreaming };
  struct Slot {
    State state = State::kOpen;
    Traits traits;
    bool close = false;
    bool wants_continue = false;
    Mark mark;
    std::unique_ptr<std::string> held;
    std::unique_ptr<StreamedAnswer> stream;
  };
  struct Ending {
    std::unique_ptr<StreamedAnswer> answer;
    uint64_t queued_bytes;  // when so many have been sent, all of it has
  };

  Slot& At(uint64_t sequence) { return ring_[sequence & (ring_.size() - 1)]; }
  const Slot& At(uint64_t sequence) const { return ring_[sequence & (ring_.size() - 1)]; }
  bool Has(uint64_t sequence) const { return sequence >= first_ && sequence < next_; }
  bool IsFront(const StreamedAnswer& answer) const;
  std::string& Output();
  void AppendHead(std::string& out, Slot& slot, const Response& response, Framing framing);
  void Pop();
  void AdvanceFront();
  void Drop(Slot& slot);
  void TellAnswered(Slot& slot, int status);
  void Account();

  SessionHost& host_;
  Session& session_;
  uint64_t first_;
  uint64_t next_;
  std::vector<Slot> ring_;  // a power of two in size
  std::string out_;
  size_t sent_ = 0;          // of out_
  uint64_t sent_bytes_ = 0;  // in all
  size_t held_bytes_ = 0;    // of all slots
  size_t accounted_bytes_ = 0;
  std::vector<Ending> ending_;
  bool finished_ = false;
  bool aborted_ = false;
  bool reset_ = false;
};

}  // namespace weir::net

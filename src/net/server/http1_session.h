// HTTP/1.1 and 1.0 on one connection.
//
// Requests are parsed where the transport received them; only what is left over (part of a request)
// is copied to the connection, so that one at rest holds no buffer. While `pipeline_max` requests
// are unanswered, or more than the send buffer's bound waits for the client, nothing is read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/server/answer_queue.h"
#include "net/server/request_body.h"
#include "net/server/request_head.h"
#include "net/server/session.h"

namespace weir::net {

class Http1Session final : public Session {
 public:
  // `first_sequence`: see Session::next_sequence.
  Http1Session(SessionHost& host, ConnectionId id, std::string peer, uint64_t first_sequence);

  void OnReceived(std::string_view bytes) override;
  void OnPeerFinished() override;
  void OnWritable() override;
  void Respond(uint64_t sequence, const Response& response) override;
  BodyWriter* RespondStreaming(uint64_t sequence, const Response& head) override;
  void ResumeBody(uint64_t sequence) override;
  bool alive(uint64_t sequence) const override { return answers_.IsUnfinished(sequence); }
  void SetMark(uint64_t sequence, Mark mark) override { answers_.SetMark(sequence, mark); }
  void Advance() override;
  void OnDeadline(int64_t now_ns) override;
  void Drain() override;
  void Abandon() override;
  uint64_t next_sequence() const override { return answers_.next_sequence(); }

 private:
  static constexpr int64_t kNone = INT64_MIN;

  // Reading. Each returns how much of the input it used up.
  void ReadPartial();
  size_t Consume(std::string_view input);
  size_t BeginRequest(std::string_view input, size_t head_size);
  size_t BeginBody(std::string_view input, size_t head_size, uint64_t sequence,
                   Handler::Decision decision);
  size_t ReadBody(std::string_view input);
  void FinishBody();
  bool MayBegin() const;
  // Answers with a problem where that is still possible, and reads no further request.
  void Fail(Refusal refusal);
  void Refuse(uint64_t sequence, Refusal refusal);
  void StopReading();
  void AccountMemory();

  // After anything has happened: sends, closes, pauses, and sets the deadline.
  void Settle();
  void BeginLinger();
  void UpdateDeadline();

  AnswerQueue answers_;
  std::string partial_;                // the front part of a request
  std::unique_ptr<RequestBody> body_;  // while one is being read
  size_t accounted_bytes_ = 0;
  size_t scanned_ = 0;          // of partial_, see FindHeadEnd
  int64_t started_ns_ = kNone;  // the first byte of a header that is not complete
  int64_t rest_since_ns_;       // since when the connection has been at rest
  int64_t body_since_ns_ = 0;   // from when the body's time runs
  uint64_t body_mark_bytes_ = 0;
  int64_t progress_ns_ = 0;  // when the client last took something, or what waits began to wait
  int64_t read_deadline_ns_ = DeadlineWheel::kNever;
  int64_t send_deadline_ns_ = DeadlineWheel::kNever;
  bool consuming_ = false;  // within Consume(): answers are sent at its end
  bool reading_ = true;     // more requests may come
  bool blocked_ = false;    // they wait until answers have left
  bool resume_body_ = false;
  bool any_request_ = false;
  bool at_rest_ = true;
  bool peer_finished_ = false;
  bool lingering_ = false;  // everything is sent; what still comes in is dropped
  bool draining_ = false;
};

}  // namespace weir::net

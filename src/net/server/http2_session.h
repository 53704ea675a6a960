// HTTP/2 on one connection (RFC 9113, through nghttp2), begun with prior knowledge.
//
// A request's sequence is its stream's id beyond the session's first. All frames of a turn are
// gathered and leave in one send. Neither side outruns the other: a reader that has enough keeps
// its stream's window shut, and no more than the send buffer's bound is framed ahead of the client.
// While more than that waits in answers, further requests are postponed, in the order in which they
// came; where there is no memory for them, or the client takes nothing for too long, they are
// refused (REFUSED_STREAM: it is safe to send them again). Floods end the connection: streams taken
// back (CVE-2023-44487) and frames that ask for nothing are counted, a header is decoded to a few
// times its limit, CONTINUATION without end is nghttp2's to refuse (CVE-2024-28182).
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/server/request_body.h"
#include "net/server/session.h"
#include "net/server/streamed_answer.h"

namespace weir::net {

class Http2Session final : public Session {
 public:
  // `first_sequence`: see Session::next_sequence.
  Http2Session(SessionHost& host, ConnectionId id, std::string peer, uint64_t first_sequence);
  ~Http2Session() override;

  void OnReceived(std::string_view bytes) override;
  void OnPeerFinished() override;
  void OnWritable() override { Settle(); }
  void Respond(uint64_t sequence, const Response& response) override;
  BodyWriter* RespondStreaming(uint64_t sequence, const Response& head) override;
  void ResumeBody(uint64_t sequence) override;
  bool alive(uint64_t sequence) const override;
  void SetMark(uint64_t sequence, Mark mark) override;
  void Advance() override;
  void OnDeadline(int64_t now_ns) override;
  void Drain() override;
  void Abandon() override;
  uint64_t next_sequence() const override { return first_ + newest_stream_ + 1; }

 private:
  static constexpr int64_t kNone = INT64_MIN;

  struct Stream;
  struct Callbacks;
  static nghttp2_session_callbacks* AllCallbacks();
  static ssize_t ReadAnswer(nghttp2_session*, int32_t, uint8_t* to, size_t size, uint32_t* flags,
                            nghttp2_data_source* source, void* user);

  Stream* Find(int32_t stream_id) const;
  Stream* FindOpen(uint64_t sequence) const;
  void OnHeader(Stream& stream, std::string_view name, std::string_view value);
  void BeginRequest(Stream& stream, bool ended);
  // `ended`: it has no body.
  void StartRequest(Stream& stream, bool ended);
  // Those for which there is room by now. False: none.
  bool StartPostponed();
  void EndPostponement(Stream& stream);
  void TurnAway(Stream& stream);
  // It gives its memory back at once: what is not accounted for is not held.
  void DropUnread(Stream& stream);
  void BeginBody(Stream& stream, Handler::Decision decision);
  void OnData(Stream& stream, std::string_view data);
  void ReadBody(Stream& stream);
  void EndBody(Stream& stream);
  void Refuse(Stream& stream, Refusal refusal);
  void Fail(Stream& stream, Refusal refusal);
  void OnStreamClosed(Stream& stream);
  void Submit(Stream& stream, const Response& response, bool bodiless, bool with_length);
  void TellAnswered(Stream& stream, int status);
  // Keeps the sums of what waits in answers, after each change of the stream's.
  void Count(Stream& stream);
  // What waits for the client, in bytes.
  size_t Waiting() const { return out_.size() - sent_ + whole_ + streamed_; }
  // Further requests may be answered.
  bool HasRoom() const;
  // The client is told which streams are taken, and that no more will be.
  void RefuseFurther();
  void CountIdleFrame();
  void CountReset();
  // Tells the client why, reads nothing more, and closes when that has left. Once.
  void End(uint32_t code);
  bool AccountMemory(Stream& stream);

  void Flush();
  void Settle();
  void BeginLinger();
  void UpdateDeadline();

  const uint64_t first_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Stream>> streams_;  // open now
  int32_t newest_stream_ = 0;
  int32_t streams_begun_ = 0;
  size_t postponed_ = 0;  // of streams_
  std::string out_;
  size_t sent_ = 0;      // of out_
  size_t whole_ = 0;     // bytes of whole answers that are not framed, of all streams
  size_t streamed_ = 0;  // and of answers in pieces
  std::string lines_;    // scratch: an answer's header
  std::vector<nghttp2_nv> fields_;
  int64_t header_since_ns_ = kNone;  // one that is not complete
  size_t header_bytes_ = 0;          // of the newest header or trailers, decoded
  int64_t rest_since_ns_;
  int64_t progress_ns_ = 0;
  int64_t second_began_ns_ = 0;
  uint64_t idle_frames_ = 0;
  uint64_t updates_due_ = 0;  // window updates that what was sent has yet to be answered with
  uint64_t resets_ = 0;
  uint64_t requests_ = 0;  // in this second
  bool any_request_ = false;
  bool receiving_ = false;
  bool peer_finished_ = false;
  bool draining_ = false;
  int64_t refuse_at_ns_ = 0;  // draining: when further streams are refused; 0: they are
  bool ending_ = false;       // see End()
  bool lingering_ = false;    // everything is sent; what still comes in is dropped
};

}  // namespace weir::net

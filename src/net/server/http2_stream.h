// One request of an HTTP/2 connection, from its header to the end of its answer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "net/server/http2_session.h"
#include "net/server/request_body.h"
#include "net/server/request_head.h"
#include "net/server/streamed_answer.h"

namespace weir::net {

struct Http2Session::Stream final : AnswerSink {
  Stream(Http2Session& session_of, int32_t id_of)
      : session(session_of), id(id_of), received_ns(session_of.host_.now_ns) {}

  std::string& OutputOf(StreamedAnswer&) override { return out; }
  size_t PendingOf(StreamedAnswer&) override { return unframed(); }
  size_t bytes_max() const override { return session.host_.limits.send_buffer_bytes_max; }
  void Touched() override {
    session.Count(*this);
    touched = true;
    session.host_.Defer(session);
  }
  void Ended(StreamedAnswer&) override {
    out_complete = true;
    Touched();
  }
  void Aborted(StreamedAnswer&) override {
    nghttp2_submit_rst_stream(session.session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
    session.host_.Defer(session);
  }

  Http2Session& session;
  const int32_t id;
  std::string method, target, authority, fields;  // of a request's header
  size_t header_bytes = 0;
  bool begun = false;
  bool postponed = false;  // until earlier answers have left
  int64_t received_ns;     // the first of its header
  bool to_head = false;
  bool expects_continue = false;
  bool request_ended = false;
  bool answered = false;
  bool touched = false;  // output may have come since it was deferred
  bool resume = false;
  std::unique_ptr<RequestBody> body;
  RequestHead head;    // of fields, until the body is whole
  std::string unread;  // came while the reader had enough
  size_t accounted_bytes = 0;
  int64_t body_since_ns = 0;
  std::string out;
  size_t framed = 0;        // of out
  size_t answer_bytes = 0;  // of one that is not in pieces, held until the stream closes
  size_t counted = 0;       // see Http2Session::Count()
  bool out_complete = false;
  Mark mark;
  int64_t sent_ns = INT64_MIN;  // when its answer was whole

  size_t unframed() const { return out.size() - framed; }
  // Answered before its body was whole, and the body is of no use.
  bool left_over() const { return sent_ns != INT64_MIN && !request_ended && !body; }
  std::unique_ptr<StreamedAnswer> answer;
};

}  // namespace weir::net

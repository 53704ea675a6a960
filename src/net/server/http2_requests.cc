// The reading half of Http2Session: from frames to the handler.
#include <utility>

#include "net/server/http2_session.h"
#include "net/server/http2_stream.h"

namespace weir::net {

void Http2Session::OnHeader(Stream& stream, std::string_view name, std::string_view value) {
  // As RFC 9113 counts them (section 6.5.2).
  stream.header_bytes += name.size() + value.size() + 32;
  if (stream.header_bytes > host_.limits.header_bytes_max) return;
  if (name == ":method") {
    stream.method = value;
  } else if (name == ":path") {
    stream.target = value;
  } else if (name == ":authority") {
    stream.authority = value;
  } else if (name == "host" && !stream.authority.empty()) {
    return;
  } else if (!name.starts_with(':')) {
    stream.fields.append(name).append(": ").append(value).append("\r\n");
  }
}

void Http2Session::BeginRequest(Stream& stream, bool ended) {
  stream.begun = true;
  stream.request_ended = ended;
  stream.to_head = stream.method == "HEAD";
  any_request_ = true;
  ++requests_;
  host_.counters.requests.Add(1);
  host_.handler_ran = true;
  if (stream.header_bytes > host_.limits.header_bytes_max) return Refuse(stream, kHeaderTooLarge);
  if (postponed_ == 0 && HasRoom()) return StartRequest(stream, ended);
  stream.postponed = true;
  ++postponed_;
  if (!AccountMemory(stream)) TurnAway(stream);
}

bool Http2Session::StartPostponed() {
  if (ending_) return false;
  bool any = false;
  // By index: a handler ends no stream here, and begins none.
  for (size_t i = 0; i < streams_.size() && postponed_ > 0 && HasRoom(); ++i) {
    Stream& stream = *streams_[i];
    if (!stream.postponed) continue;
    any = true;
    EndPostponement(stream);
    StartRequest(stream, stream.request_ended && stream.unread.empty());
    if (stream.body) {
      ReadBody(stream);
      if (stream.request_ended) EndBody(stream);
    } else {
      DropUnread(stream);
    }
  }
  return any;
}

void Http2Session::EndPostponement(Stream& stream) {
  if (!std::exchange(stream.postponed, false)) return;
  --postponed_;
  AccountMemory(stream);
}

void Http2Session::DropUnread(Stream& stream) {
  nghttp2_session_consume_stream(session_, stream.id, stream.unread.size());
  std::string().swap(stream.unread);
}

void Http2Session::TurnAway(Stream& stream) {
  DropUnread(stream);
  EndPostponement(stream);
  host_.counters.http2_refused.Add(1);
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_REFUSED_STREAM);
  host_.Defer(*this);
}

// The header is written as HTTP/1.1 would have it and read by the same reader: what is refused
// there is refused here.
void Http2Session::StartRequest(Stream& stream, bool ended) {
  host_.handler_ran = true;
  std::string text = host_.TakeBuffer();
  text.append(stream.method).append(1, ' ').append(stream.target).append(" HTTP/1.1\r\n");
  if (!stream.authority.empty()) text.append("Host: ").append(stream.authority).append("\r\n");
  text.append(stream.fields);
  const bool framed = stream.fields.find("content-length: ") == 0 ||
                      stream.fields.find("\r\ncontent-length: ") != std::string::npos;
  if (!framed) text.append(ended ? "content-length: 0\r\n" : "transfer-encoding: chunked\r\n");
  text.append("\r\n");
  stream.fields = std::move(text);
  RequestHead& head = host_.head;
  if (const Refusal malformed = ParseRequestHead(stream.fields, &head)) {
    return Refuse(stream, malformed);
  }
  CompleteHead(first_ + static_cast<uint64_t>(stream.id), stream.received_ns);
  head.request.has_body = !ended;
  stream.expects_continue = head.expects_continue;
  Handler::Decision decision = host_.handler.OnHeaders(host_.loop, head.request);
  if (decision.take == Handler::Take::kWhole && stream.answered) {
    decision.take = Handler::Take::kRefused;
  }
  if (!ended) return BeginBody(stream, decision);
  if (decision.take == Handler::Take::kWhole) host_.handler.OnRequest(host_.loop, head.request);
  if (decision.take == Handler::Take::kInPieces) decision.reader->OnEnd();
}

void Http2Session::BeginBody(Stream& stream, Handler::Decision decision) {
  if (decision.take == Handler::Take::kRefused) return;  // what comes is dropped
  const RequestHead& head = host_.head;
  const bool in_pieces = decision.take == Handler::Take::kInPieces;
  const uint64_t bytes_max = BodyBytesMax(decision.take);
  if (const Refusal refusal = RefusalOfBody(bytes_max)) {
    if (in_pieces) host_.NotifyAborted(decision.reader);
    return Refuse(stream, refusal);
  }
  if (stream.expects_continue) {
    const nghttp2_nv status{reinterpret_cast<uint8_t*>(const_cast<char*>(":status")),
                            reinterpret_cast<uint8_t*>(const_cast<char*>("100")), 7, 3,
                            NGHTTP2_NV_FLAG_NONE};
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream.id, nullptr, &status, 1, nullptr);
  }
  stream.body_since_ns = host_.now_ns;
  stream.body = std::make_unique<RequestBody>(
      RequestBody::Plan{
          .use = in_pieces ? RequestBody::Use::kInPieces : RequestBody::Use::kWhole,
          .sequence = first_ + static_cast<uint64_t>(stream.id),
          .reader = in_pieces ? decision.reader : nullptr,
          .coding = head.coding,
          .content_length = UINT64_MAX,  // END_STREAM ends it; nghttp2 compares the length
          .bytes_max = bytes_max,
          .started_ns = stream.received_ns},
      std::string_view());
  std::swap(stream.head, host_.head);
  if (!AccountMemory(stream)) Fail(stream, kBusy);
}

void Http2Session::OnData(Stream& stream, std::string_view data) {
  if (!stream.body && !stream.postponed) {
    nghttp2_session_consume_stream(session_, stream.id, data.size());
    return;
  }
  stream.unread.append(data);
  if (!stream.postponed) return ReadBody(stream);
  if (!AccountMemory(stream)) TurnAway(stream);
}

void Http2Session::ReadBody(Stream& stream) {
  host_.handler_ran = true;
  const RequestBody::Progress progress = stream.body->Read(stream.unread);
  nghttp2_session_consume_stream(session_, stream.id, progress.consumed);
  stream.unread.erase(0, progress.consumed);
  if (progress.consumed > 0 && stream.body->plan().use == RequestBody::Use::kInPieces) {
    stream.body_since_ns = host_.now_ns;
  }
  if (progress.refusal) return Fail(stream, progress.refusal);
  if (!AccountMemory(stream)) Fail(stream, kBusy);
}

void Http2Session::EndBody(Stream& stream) {
  if (!stream.body || stream.body->paused() || !stream.unread.empty()) return;
  host_.handler_ran = true;
  if (const Refusal refusal = stream.body->End()) return Fail(stream, refusal);
  const std::unique_ptr<RequestBody> body = std::move(stream.body);
  AccountMemory(stream);
  if (body->plan().use == RequestBody::Use::kInPieces) return body->plan().reader->OnEnd();
  std::swap(stream.head, host_.head);
  CompleteHead(body->plan().sequence, stream.received_ns);
  const Refusal refusal = HandleWhole(body->whole(), body->plan().coding);
  if (refusal) Refuse(stream, refusal);
}

void Http2Session::Fail(Stream& stream, Refusal refusal) {
  const std::unique_ptr<RequestBody> body = std::move(stream.body);
  DropUnread(stream);
  AccountMemory(stream);
  if (body && body->plan().reader) host_.NotifyAborted(body->plan().reader);
  if (!stream.answered) return Refuse(stream, refusal);
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_CANCEL);
  host_.Defer(*this);
}

void Http2Session::Refuse(Stream& stream, Refusal refusal) {
  std::string body;
  const Response response = host_.AnswerTo(refusal, &body);
  Respond(first_ + static_cast<uint64_t>(stream.id), response);
}

}  // namespace weir::net

// The reading half of Http1Session: from bytes to the handler.
#include <algorithm>
#include <utility>

#include "net/server/http1_session.h"

namespace weir::net {
namespace {

// A body taken in pieces has the body's time for each so many bytes, as long as it may be.
constexpr uint64_t kPieceBytes = 16u << 10;

}  // namespace

bool Http1Session::MayBegin() const {
  return answers_.open() < host_.limits.pipeline_max &&
         answers_.waiting() <= host_.limits.send_buffer_bytes_max;
}

size_t Http1Session::Consume(std::string_view input) {
  size_t at = 0;
  while (reading_ && !answers_.finished() && !answers_.aborted()) {
    if (body_) {
      const size_t used = ReadBody(input.substr(at));
      at += used;
      if (body_) return at;  // paused, or more is needed
      continue;
    }
    if (!MayBegin()) {
      blocked_ = at < input.size();
      return at;
    }
    // Empty lines before a request are allowed (RFC 9112, section 2.2).
    if (started_ns_ == kNone) {
      while (input.substr(at, 2) == "\r\n") at += 2;
    }
    const std::string_view rest = input.substr(at);
    if (rest.empty() || rest == "\r") return at;
    const size_t head_size = FindHeadEnd(rest, &scanned_);
    const size_t limit = host_.limits.header_bytes_max;
    if (head_size > limit || (head_size == 0 && rest.size() > limit)) {
      Fail(kHeaderTooLarge);
      return input.size();
    }
    if (head_size == 0) {
      if (started_ns_ == kNone) started_ns_ = host_.now_ns;
      return at;
    }
    at += BeginRequest(rest, head_size);
  }
  return at;
}

size_t Http1Session::BeginRequest(std::string_view input, size_t head_size) {
  RequestHead& head = host_.head;
  const Refusal malformed = ParseRequestHead(input.substr(0, head_size), &head);
  if (malformed) {
    Fail(malformed);
    return input.size();
  }
  const int64_t received_ns = started_ns_ != kNone ? started_ns_ : host_.now_ns;
  started_ns_ = kNone;
  scanned_ = 0;
  any_request_ = true;
  host_.counters.requests.Add(1);
  host_.handler_ran = true;

  Request& request = head.request;
  const bool keep_alive = head.keep_alive && !draining_;
  const uint64_t sequence = answers_.Open(
      {.head = request.method == Method::kHead, .http11 = head.http11, .keep_alive = keep_alive});
  CompleteHead(sequence, received_ns);

  // Whether the client sends a body that is refused, or is too long to be read past, nobody knows:
  // then the connection ends with the refusal.
  const bool has_body = request.has_body;
  const bool unsure = has_body && (head.expects_continue || request.content_length.value_or(0) >
                                                                host_.limits.body_bytes_max);
  if (unsure) answers_.SetClose(sequence, true);
  Handler::Decision decision = host_.handler.OnHeaders(host_.loop, request);
  if (decision.take == Handler::Take::kWhole && !answers_.IsOpen(sequence)) {
    decision.take = Handler::Take::kRefused;  // answered, and that is a refusal
  }
  if (unsure && decision.take != Handler::Take::kRefused) {
    answers_.SetClose(sequence, !keep_alive);
  }
  if (!keep_alive && !has_body) reading_ = false;
  if (has_body) return BeginBody(input, head_size, sequence, decision);
  if (decision.take == Handler::Take::kWhole) host_.handler.OnRequest(host_.loop, request);
  if (decision.take == Handler::Take::kInPieces) decision.reader->OnEnd();
  return head_size;
}

size_t Http1Session::BeginBody(std::string_view input, size_t head_size, uint64_t sequence,
                               Handler::Decision decision) {
  const RequestHead& head = host_.head;
  const Limits& limits = host_.limits;
  const uint64_t length = head.request.content_length.value_or(0);
  const bool in_pieces = decision.take == Handler::Take::kInPieces;
  const uint64_t bytes_max = BodyBytesMax(decision.take);
  const std::string_view rest = input.substr(head_size);

  RequestBody::Use use = in_pieces ? RequestBody::Use::kInPieces : RequestBody::Use::kWhole;
  if (decision.take == Handler::Take::kRefused) {
    use = RequestBody::Use::kDiscard;
    if (answers_.closes(sequence)) {
      reading_ = false;
      return input.size();
    }
  } else {
    Refusal refusal = RefusalOfBody(bytes_max);
    if (refusal) {
      Refuse(sequence, refusal);
      reading_ = false;
      if (in_pieces) host_.NotifyAborted(decision.reader);
      return input.size();
    }
    // The common case: the body lies behind its header, and is passed on where it is.
    if (!in_pieces && !head.chunked && rest.size() >= length) {
      if (!head.keep_alive || draining_) reading_ = false;
      refusal = HandleWhole(rest.substr(0, length), head.coding);
      if (refusal) Refuse(sequence, refusal);
      return head_size + length;
    }
    if (head.expects_continue && rest.empty()) answers_.WantContinue(sequence);
  }
  body_ = std::make_unique<RequestBody>(
      RequestBody::Plan{.use = use,
                        .sequence = sequence,
                        .reader = in_pieces ? decision.reader : nullptr,
                        .coding = head.coding,
                        .chunked = head.chunked,
                        .content_length = length,
                        .bytes_max = bytes_max,
                        .chunk_framing_bytes_max = limits.header_bytes_max,
                        .started_ns = head.request.received_ns},
      input.substr(0, head_size));
  body_since_ns_ = host_.now_ns;
  body_mark_bytes_ = 0;
  return head_size;
}

size_t Http1Session::ReadBody(std::string_view input) {
  if (!input.empty()) answers_.CancelContinue(body_->plan().sequence);
  host_.handler_ran = true;
  const RequestBody::Progress progress = body_->Read(input);
  if (progress.refusal) {
    Fail(progress.refusal);
    return input.size();
  }
  if (body_->plan().use == RequestBody::Use::kInPieces &&
      body_->received_bytes() >= body_mark_bytes_ + kPieceBytes) {
    body_mark_bytes_ = body_->received_bytes();
    body_since_ns_ = host_.now_ns;
  }
  if (body_->done()) FinishBody();
  return progress.consumed;
}

void Http1Session::FinishBody() {
  const std::unique_ptr<RequestBody> body = std::move(body_);
  const RequestBody::Plan& plan = body->plan();
  if (draining_ || answers_.closes(plan.sequence)) reading_ = false;
  if (plan.use == RequestBody::Use::kInPieces) plan.reader->OnEnd();
  if (plan.use != RequestBody::Use::kWhole) return;
  // It was parsed before, and found to be in order; the views that it gave are gone.
  ParseRequestHead(body->head(), &host_.head);
  CompleteHead(plan.sequence, plan.started_ns);
  const Refusal refusal = HandleWhole(body->whole(), plan.coding);
  if (refusal) Refuse(plan.sequence, refusal);
}

void Http1Session::Refuse(uint64_t sequence, Refusal refusal) {
  std::string body;
  Response response = host_.AnswerTo(refusal, &body);
  response.close = true;
  answers_.Respond(sequence, response);
}

void Http1Session::Fail(Refusal refusal) {
  BodyReader* reader = nullptr;
  if (body_) {
    const uint64_t sequence = body_->plan().sequence;
    reader = body_->plan().reader;
    body_.reset();
    if (answers_.IsOpen(sequence)) {
      Refuse(sequence, refusal);
    } else {
      // The answer has begun, or is out: there is no other way to tell than to end here.
      answers_.CloseAfter(sequence);
    }
  } else {
    Refuse(answers_.Open({}), refusal);
  }
  if (reader) host_.NotifyAborted(reader);
  StopReading();
}

}  // namespace weir::net

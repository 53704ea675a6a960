#include "net/server/http2_session.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "net/server/http2_stream.h"

namespace weir::net {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecondNs = 1'000 * kMs;
// Frames that a client may send beside each of its requests without being counted.
constexpr uint64_t kIdleFramesPerRequest = 4;
constexpr int32_t kConnectionWindowBytes = 1 << 20;
// A client that was answered before it had sent all of its body may go on for so long; then it is
// told to leave it (RFC 9113, section 8.1), or the stream would stay open as long as it likes.
constexpr int64_t kLeftOverNs = kSecondNs;
// From the notice that the server stops to the word which streams it takes: what was on its way
// when the client got the notice has come by then.
constexpr int64_t kDrainNoticeNs = 250 * kMs;
// As many send buffers may wait in answers that come in pieces: each has one of its own, and one
// that the client does not read must not hold up the others.
constexpr size_t kStreamedBuffers = 8;

}  // namespace

Http2Session::Http2Session(SessionHost& host, ConnectionId id, std::string peer,
                           uint64_t first_sequence)
    : Session(host, id, std::move(peer)),
      first_(first_sequence),
      rest_since_ns_(host.now_ns),
      second_began_ns_(host.now_ns) {
  nghttp2_option* option = nullptr;
  WEIR_CHECK(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  WEIR_CHECK(nghttp2_session_server_new2(&session_, AllCallbacks(), this, option) == 0);
  nghttp2_option_del(option);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, host.limits.http2_streams_max},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(host.limits.header_bytes_max)}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
  host_.Defer(*this);
}

Http2Session::~Http2Session() { nghttp2_session_del(session_); }

Http2Session::Stream* Http2Session::Find(int32_t stream_id) const {
  return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, stream_id));
}

Http2Session::Stream* Http2Session::FindOpen(uint64_t sequence) const {
  if (sequence <= first_ || sequence - first_ > static_cast<uint64_t>(newest_stream_)) {
    return nullptr;
  }
  return Find(static_cast<int32_t>(sequence - first_));
}

void Http2Session::OnReceived(std::string_view bytes) {
  host_.counters.bytes_in.Add(bytes.size());
  if (closing() || ending_ || lingering_) return;
  receiving_ = true;
  const ssize_t read = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  receiving_ = false;
  if (read < 0) {
    // Not a sentence of HTTP/2, or a flood that nghttp2 itself does not bear.
    End(read == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  }
  host_.Defer(*this);  // answers of this turn share a send
}

void Http2Session::Respond(uint64_t sequence, const Response& response) {
  Stream* const stream = FindOpen(sequence);
  if (!stream || stream->answered) return;
  const bool bodiless = stream->to_head || !HasBody(response.status) || response.body.empty();
  if (!bodiless) {
    if (!host_.HasRoomForAnswer(response.body.size())) return Refuse(*stream, kAnswersHeld);
    stream->out = response.body;
    stream->answer_bytes = response.body.size();
    host_.CountAnswers(static_cast<ptrdiff_t>(stream->answer_bytes));
  }
  stream->out_complete = true;
  Count(*stream);
  Submit(*stream, response, bodiless, true);
}

BodyWriter* Http2Session::RespondStreaming(uint64_t sequence, const Response& head) {
  Stream* const stream = FindOpen(sequence);
  if (!stream || stream->answered) return nullptr;
  const bool bodiless = stream->to_head || !HasBody(head.status);
  stream->answer = std::make_unique<StreamedAnswer>(
      stream, Framing::kUntilClose, bodiless, head.content_type.starts_with("text/event-stream"));
  Submit(*stream, head, false, false);
  if (!head.body.empty()) stream->answer->Write(head.body);
  return stream->answer.get();
}

void Http2Session::Submit(Stream& stream, const Response& response, bool bodiless,
                          bool with_length) {
  stream.answered = true;
  const auto status_class = static_cast<size_t>(response.status / 100);
  host_.counters.responses_by_class[std::min<size_t>(status_class, 5)].Add(1);
  TellAnswered(stream, response.status);
  lines_.clear();
  fields_.clear();
  lines_.append(host_.common_headers());
  if (HasBody(response.status)) {
    if (!response.content_type.empty()) {
      lines_.append("Content-Type: ").append(response.content_type).append("\r\n");
    }
    if (with_length) {
      lines_.append("Content-Length: ").append(std::to_string(response.body.size()));
      lines_.append("\r\n");
    }
  }
  lines_.append(response.headers);
  char status[8];
  char* const status_end = std::to_chars(status, status + sizeof status, response.status).ptr;
  const auto bytes = [](const char* text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text));
  };
  fields_.push_back({bytes(":status"), bytes(status), 7, static_cast<size_t>(status_end - status),
                     NGHTTP2_NV_FLAG_NO_COPY_NAME});
  for (size_t at = 0; at < lines_.size();) {
    const size_t end = lines_.find("\r\n", at);
    const size_t colon = lines_.find(':', at);
    if (end == std::string::npos || colon >= end) break;
    for (size_t i = at; i < colon; ++i) {
      if (lines_[i] >= 'A' && lines_[i] <= 'Z') lines_[i] = static_cast<char>(lines_[i] | 0x20);
    }
    const size_t value = std::min(lines_.find_first_not_of(' ', colon + 1), end);
    fields_.push_back(
        {bytes(&lines_[at]), bytes(&lines_[value]), colon - at, end - value, NGHTTP2_NV_FLAG_NONE});
    at = end + 2;
  }
  nghttp2_data_provider provider{{.ptr = &stream}, ReadAnswer};
  nghttp2_submit_response(session_, stream.id, fields_.data(), fields_.size(),
                          bodiless ? nullptr : &provider);
  if (response.close) {
    draining_ = true;
    RefuseFurther();
  }
  host_.Defer(*this);
}

void Http2Session::ResumeBody(uint64_t sequence) {
  Stream* const stream = FindOpen(sequence);
  if (!stream || !stream->body) return;
  stream->resume = true;
  host_.Defer(*this);
}

bool Http2Session::alive(uint64_t sequence) const {
  const Stream* const stream = FindOpen(sequence);
  return stream && (!stream->answered || stream->answer);
}

void Http2Session::SetMark(uint64_t sequence, Mark mark) {
  Stream* const stream = FindOpen(sequence);
  if (stream && !stream->answered) stream->mark = mark;
}

void Http2Session::TellAnswered(Stream& stream, int status) {
  if (stream.mark.none() && status < kRefusedFrom) return;
  host_.handler.OnAnswered(host_.loop, std::exchange(stream.mark, {}), status);
}

void Http2Session::Count(Stream& stream) {
  size_t& sum = stream.answer ? streamed_ : whole_;
  sum += stream.unframed() - std::exchange(stream.counted, stream.unframed());
}

bool Http2Session::HasRoom() const {
  const size_t bytes_max = host_.limits.send_buffer_bytes_max;
  return whole_ <= bytes_max && whole_ + streamed_ <= kStreamedBuffers * bytes_max;
}

void Http2Session::OnStreamClosed(Stream& stream) {
  TellAnswered(stream, 0);
  EndPostponement(stream);
  nghttp2_session_set_stream_user_data(session_, stream.id, nullptr);
  if (stream.body && stream.body->plan().reader) host_.NotifyAborted(stream.body->plan().reader);
  stream.body.reset();
  AccountMemory(stream);
  host_.CountAnswers(-static_cast<ptrdiff_t>(stream.answer_bytes));
  const bool complete = stream.out_complete && stream.unframed() == 0;
  stream.framed = stream.out.size();
  Count(stream);
  if (stream.answer) {
    stream.answer->Detach();
    host_.NotifyClosed(std::move(stream.answer), complete);
  }
  std::erase_if(streams_, [&](const auto& held) { return held.get() == &stream; });
  if (streams_.empty()) rest_since_ns_ = host_.now_ns;
}

void Http2Session::CountIdleFrame() {
  if (host_.now_ns - second_began_ns_ >= kSecondNs) {
    second_began_ns_ = host_.now_ns;
    idle_frames_ = resets_ = requests_ = 0;
  }
  const uint64_t allowed = host_.limits.http2_idle_frames_max + kIdleFramesPerRequest * requests_;
  if (++idle_frames_ > allowed) End(NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Session::CountReset() {
  CountIdleFrame();
  if (++resets_ > host_.limits.http2_resets_max) End(NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Session::End(uint32_t code) {
  if (std::exchange(ending_, true)) return;
  if (code == NGHTTP2_ENHANCE_YOUR_CALM) host_.counters.http2_floods.Add(1);
  nghttp2_session_terminate_session(session_, code);
}

bool Http2Session::AccountMemory(Stream& stream) {
  size_t bytes = 0;
  if (stream.body || stream.postponed) bytes = stream.header_bytes + stream.unread.capacity();
  if (stream.body) bytes += stream.body->memory();
  if (bytes == stream.accounted_bytes) return true;
  if (!host_.ReserveMemory(
          *this, static_cast<ptrdiff_t>(bytes) - static_cast<ptrdiff_t>(stream.accounted_bytes))) {
    return false;
  }
  stream.accounted_bytes = bytes;
  return true;
}

void Http2Session::Advance() {
  if (closing() || lingering_) return;
  // By index: a reader or a writer may end streams, and begin none.
  for (size_t i = 0; i < streams_.size(); ++i) {
    Stream& stream = *streams_[i];
    if (std::exchange(stream.touched, false)) nghttp2_session_resume_data(session_, stream.id);
    if (std::exchange(stream.resume, false) && stream.body) {
      stream.body_since_ns = host_.now_ns;
      if (const Refusal refusal = stream.body->Resume()) {
        Fail(stream, refusal);
        continue;
      }
      ReadBody(stream);
      if (stream.request_ended) EndBody(stream);
    }
  }
  do {
    Flush();
  } while (StartPostponed());
  for (const auto& stream : streams_) {
    if (stream->answer && stream->answer->full() && stream->unframed() <= stream->bytes_max() / 2) {
      stream->answer->CallDrained();
    }
  }
  Settle();
}

// At most the send buffer's bound is framed ahead of what the client takes.
void Http2Session::Flush() {
  const size_t bytes_max = host_.limits.send_buffer_bytes_max;
  while (true) {
    while (out_.size() - sent_ < bytes_max) {
      const uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
      if (size <= 0) break;
      if (out_.empty()) out_ = host_.TakeBuffer();
      out_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    }
    if (out_.size() == sent_) return;
    const size_t taken = host_.transport.Send(id(), std::string_view(out_).substr(sent_));
    host_.counters.bytes_out.Add(taken);
    if (taken > 0) progress_ns_ = host_.now_ns;
    sent_ += taken;
    if (sent_ < out_.size()) {
      out_.erase(0, std::exchange(sent_, 0));
      return;
    }
    sent_ = 0;
    host_.GiveBuffer(std::move(out_));
    out_ = {};
  }
}

void Http2Session::Settle() {
  if (closing() || receiving_ || lingering_) return;
  Flush();
  const bool wants = nghttp2_session_want_read(session_) || nghttp2_session_want_write(session_);
  const bool drained = draining_ && refuse_at_ns_ == 0 && streams_.empty();
  const bool left = peer_finished_ && streams_.empty();
  const bool over =
      !wants || ((ending_ || drained || left) && !nghttp2_session_want_write(session_));
  if (out_.empty() && over) return BeginLinger();
  if (postponed_ > 0 && !ending_ && HasRoom()) host_.Defer(*this);
  // A client that does not read is not read either: its pings would else pile up as answers.
  SetPaused(out_.size() >= host_.limits.send_buffer_bytes_max || ending_ || peer_finished_ ||
            awaits_memory());
  UpdateDeadline();
}

// After a flood there is none: a reset does no harm then.
void Http2Session::BeginLinger() {
  if (ending_ || peer_finished_) return host_.Close(*this, false);
  lingering_ = true;
  host_.transport.FinishSending(id());
  SetPaused(false);
  host_.SetDeadline(*this, host_.now_ns + kLingerNs);
}

void Http2Session::UpdateDeadline() {
  const Limits& limits = host_.limits;
  int64_t deadline = DeadlineWheel::kNever;
  const bool waits = Waiting() > 0;
#ifdef WEIR_SANITIZED
  size_t sum = 0;
  for (const auto& stream : streams_) sum += stream->unframed();
  WEIR_CHECK(sum == whole_ + streamed_);
#endif
  for (const auto& stream : streams_) {
    if (stream->body && !stream->body->paused()) {
      deadline = std::min(deadline, stream->body_since_ns + limits.body_timeout_ms * kMs);
    }
    if (stream->postponed) {
      deadline = std::min(deadline, stream->received_ns + limits.send_timeout_ms * kMs);
    }
    if (stream->left_over()) deadline = std::min(deadline, stream->sent_ns + kLeftOverNs);
  }
  if (waits) {
    deadline = std::min(deadline, progress_ns_ + limits.send_timeout_ms * kMs);
  } else {
    progress_ns_ = host_.now_ns;
  }
  if (refuse_at_ns_ != 0) deadline = std::min(deadline, refuse_at_ns_);
  if (header_since_ns_ != kNone) {
    deadline = std::min(deadline, header_since_ns_ + limits.header_timeout_ms * kMs);
  } else if (streams_.empty() && !waits) {
    const int timeout_ms = any_request_ ? limits.idle_timeout_ms : limits.first_byte_timeout_ms;
    deadline = std::min(deadline, rest_since_ns_ + timeout_ms * kMs);
  }
  host_.SetDeadline(*this, deadline);
}

void Http2Session::OnDeadline(int64_t now_ns) {
  if (closing()) return;
  if (lingering_) return host_.Close(*this, false);
  const Limits& limits = host_.limits;
  const bool waits = Waiting() > 0;
  if (waits && progress_ns_ + limits.send_timeout_ms * kMs <= now_ns) {
    host_.counters.timeouts.Add(1);
    return host_.Close(*this, true);
  }
  if (refuse_at_ns_ != 0 && refuse_at_ns_ <= now_ns) RefuseFurther();
  const bool late = !ending_ && header_since_ns_ != kNone &&
                    header_since_ns_ + limits.header_timeout_ms * kMs <= now_ns;
  for (size_t i = 0; i < streams_.size(); ++i) {
    Stream& stream = *streams_[i];
    if (stream.left_over() && stream.sent_ns + kLeftOverNs <= now_ns) {
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_NO_ERROR);
      continue;
    }
    if (stream.postponed && stream.received_ns + limits.send_timeout_ms * kMs <= now_ns) {
      TurnAway(stream);
      continue;
    }
    if (!stream.body || stream.body->paused()) continue;
    if (stream.body_since_ns + limits.body_timeout_ms * kMs > now_ns) continue;
    host_.counters.timeouts.Add(1);
    Fail(stream, awaits_memory() ? kBusy : Refusal{408, "the body took too long to arrive"});
  }
  const int rest_ms = any_request_ ? limits.idle_timeout_ms : limits.first_byte_timeout_ms;
  const bool idle = streams_.empty() && !waits && rest_since_ns_ + rest_ms * kMs <= now_ns;
  if (late || (idle && !any_request_)) host_.counters.timeouts.Add(1);
  if (late || idle) End(NGHTTP2_NO_ERROR);
  Settle();
}

// What it has asked for whole is still answered.
void Http2Session::OnPeerFinished() {
  if (closing() || std::exchange(peer_finished_, true)) return;
  if (lingering_) return host_.Close(*this, false);
  for (size_t i = streams_.size(); i-- > 0;) {
    if (!streams_[i]->request_ended) OnStreamClosed(*streams_[i]);
  }
  host_.Defer(*this);
}

// In two steps (RFC 9113, section 6.8): a notice, and, when what was on its way has come, the last
// stream that is taken.
void Http2Session::Drain() {
  if (closing() || lingering_ || std::exchange(draining_, true)) return;
  nghttp2_submit_shutdown_notice(session_);
  refuse_at_ns_ = host_.now_ns + kDrainNoticeNs;
  for (size_t i = 0; i < streams_.size(); ++i) {
    if (streams_[i]->answer && streams_[i]->answer->endless()) streams_[i]->answer->End();
  }
  host_.Defer(*this);
}

void Http2Session::RefuseFurther() {
  refuse_at_ns_ = 0;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, newest_stream_, NGHTTP2_NO_ERROR, nullptr, 0);
}

void Http2Session::Abandon() {
  while (!streams_.empty()) OnStreamClosed(*streams_.back());
  out_ = {};
  sent_ = 0;
}

}  // namespace weir::net

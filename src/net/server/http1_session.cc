#include "net/server/http1_session.h"

#include <algorithm>
#include <utility>

namespace weir::net {
namespace {

constexpr int64_t kMs = 1'000'000;

}  // namespace

Http1Session::Http1Session(SessionHost& host, ConnectionId id, std::string peer,
                           uint64_t first_sequence)
    : Session(host, id, std::move(peer)),
      answers_(host, *this, first_sequence),
      rest_since_ns_(host.now_ns) {
  UpdateDeadline();
}

void Http1Session::OnReceived(std::string_view bytes) {
  host_.counters.bytes_in.Add(bytes.size());
  if (closing() || !reading_) return;
  if (partial_.empty()) {
    consuming_ = true;
    const size_t consumed = Consume(bytes);
    consuming_ = false;
    if (reading_ && consumed < bytes.size()) {
      partial_ = host_.TakeBuffer();
      partial_.append(bytes.substr(consumed));
    }
  } else {
    partial_.append(bytes);
    ReadPartial();
  }
  AccountMemory();
  Settle();
}

void Http1Session::ReadPartial() {
  consuming_ = true;
  const size_t consumed = Consume(partial_);
  consuming_ = false;
  if (!reading_ || consumed == partial_.size()) {
    host_.GiveBuffer(std::move(partial_));
    partial_ = {};
  } else {
    partial_.erase(0, consumed);
  }
}

// A client that only finishes its sending side still gets its answers; a request that it left
// unfinished is told so.
void Http1Session::OnPeerFinished() {
  if (closing()) return;
  peer_finished_ = true;
  if (body_ || started_ns_ != kNone) {
    Fail({400, "the connection was closed before the request was complete"});
  }
  StopReading();
  Settle();
}

void Http1Session::OnWritable() { Settle(); }

void Http1Session::Respond(uint64_t sequence, const Response& response) {
  answers_.Respond(sequence, response);
  if (consuming_) return;
  if (answers_.open() == 0) {
    Settle();
  } else {
    host_.Defer(*this);  // more answers may follow in this turn, and share a send
  }
}

BodyWriter* Http1Session::RespondStreaming(uint64_t sequence, const Response& head) {
  return answers_.Stream(sequence, head);
}

void Http1Session::ResumeBody(uint64_t sequence) {
  if (!body_ || body_->plan().sequence != sequence) return;
  resume_body_ = true;
  host_.Defer(*this);
}

void Http1Session::Advance() {
  if (closing()) return;
  answers_.Flush();
  answers_.CallDrained();
  if (std::exchange(resume_body_, false) && body_ && body_->paused()) {
    consuming_ = true;
    body_since_ns_ = host_.now_ns;
    const Refusal refusal = body_->Resume();
    if (refusal) {
      Fail(refusal);
    } else if (body_->done()) {
      FinishBody();
    }
    consuming_ = false;
    blocked_ = true;  // whatever has come in the meantime is looked at below
  }
  if (blocked_ && (body_ || MayBegin())) {
    blocked_ = false;
    if (!partial_.empty()) ReadPartial();
    AccountMemory();
  }
  Settle();
}

// Idle: the connection ends now. Else with the answer to its last request, which is the one whose
// body or header is being read, if there is one.
void Http1Session::Drain() {
  if (closing() || draining_) return;
  draining_ = true;
  if (answers_.has_endless()) return host_.Close(*this, false);
  if (answers_.open() > 0) answers_.SetClose(answers_.next_sequence() - 1, true);
  if (!body_ && started_ns_ == kNone) StopReading();
  Settle();
}

void Http1Session::Abandon() {
  answers_.Abandon();
  if (body_ && body_->plan().reader) host_.NotifyAborted(body_->plan().reader);
  body_.reset();
  partial_ = {};
  host_.ReserveMemory(*this, -static_cast<ptrdiff_t>(std::exchange(accounted_bytes_, 0)));
}

void Http1Session::StopReading() {
  reading_ = false;
  started_ns_ = kNone;
  if (consuming_) return;  // the caller looks after what it is reading
  host_.GiveBuffer(std::move(partial_));
  partial_ = {};
  AccountMemory();
}

void Http1Session::Settle() {
  if (closing()) return;
  const bool waited = answers_.pending() > 0 && send_deadline_ns_ != DeadlineWheel::kNever;
  const bool progress = answers_.Flush();
  if (progress || !waited) progress_ns_ = host_.now_ns;
  if (answers_.aborted()) return host_.Close(*this, answers_.reset());
  if (lingering_ && peer_finished_) return host_.Close(*this, false);
  if (answers_.pending() == 0 && !lingering_) {
    if (answers_.finished()) {
      BeginLinger();
    } else if (answers_.open() == 0 && !body_ &&
               (peer_finished_ || (draining_ && started_ns_ == kNone))) {
      return host_.Close(*this, false);
    }
  }
  if (answers_.wants_drained() || (blocked_ && MayBegin())) host_.Defer(*this);
  SetPaused(blocked_ || (body_ && body_->paused()) || (!reading_ && !lingering_) ||
            (awaits_memory() && reading_));
  UpdateDeadline();
}

void Http1Session::BeginLinger() {
  StopReading();
  if (body_) {
    if (body_->plan().reader) host_.NotifyAborted(body_->plan().reader);
    body_.reset();
    AccountMemory();
  }
  if (peer_finished_) return host_.Close(*this, false);
  lingering_ = true;
  host_.transport.FinishSending(id());
  read_deadline_ns_ = host_.now_ns + kLingerNs;
}

void Http1Session::UpdateDeadline() {
  const Limits& limits = host_.limits;
  const bool at_rest = answers_.open() == 0 && answers_.pending() == 0 && !body_ &&
                       started_ns_ == kNone && !blocked_;
  if (at_rest && !at_rest_) rest_since_ns_ = host_.now_ns;
  at_rest_ = at_rest;
  if (lingering_) {
    // Set once, when it began.
  } else if (body_) {
    read_deadline_ns_ =
        body_->paused() ? DeadlineWheel::kNever : body_since_ns_ + limits.body_timeout_ms * kMs;
  } else if (started_ns_ != kNone) {
    read_deadline_ns_ = started_ns_ + limits.header_timeout_ms * kMs;
  } else if (!at_rest) {
    read_deadline_ns_ = DeadlineWheel::kNever;
  } else {
    const int timeout_ms = any_request_ ? limits.idle_timeout_ms : limits.first_byte_timeout_ms;
    read_deadline_ns_ = rest_since_ns_ + timeout_ms * kMs;
  }
  send_deadline_ns_ =
      answers_.pending() == 0 ? DeadlineWheel::kNever : progress_ns_ + limits.send_timeout_ms * kMs;
  host_.SetDeadline(*this, std::min(read_deadline_ns_, send_deadline_ns_));
}

void Http1Session::OnDeadline(int64_t now_ns) {
  if (closing()) return;
  if (send_deadline_ns_ <= now_ns) {
    host_.counters.timeouts.Add(1);
    return host_.Close(*this, true);
  }
  if (read_deadline_ns_ > now_ns) return UpdateDeadline();
  if (lingering_) return host_.Close(*this, false);
  if (body_ || started_ns_ != kNone) {
    host_.counters.timeouts.Add(1);
    if (awaits_memory()) {
      Fail(kBusy);
      return Settle();
    }
    Fail({408, body_ ? "the body took too long to arrive" : "the header took too long to arrive"});
    return Settle();
  }
  if (!any_request_) {
    const int64_t kept_ns = std::min(host_.transport.KeptWaitingUntilNs(id()), now_ns);
    if (kept_ns > rest_since_ns_) {
      rest_since_ns_ = kept_ns;
      return UpdateDeadline();
    }
    host_.counters.timeouts.Add(1);
  }
  host_.Close(*this, false);
}

void Http1Session::AccountMemory() {
  size_t bytes = body_ ? body_->memory() : 0;
  if (!partial_.empty()) bytes += partial_.capacity();
  if (bytes == accounted_bytes_) return;
  if (host_.ReserveMemory(
          *this, static_cast<ptrdiff_t>(bytes) - static_cast<ptrdiff_t>(accounted_bytes_))) {
    accounted_bytes_ = bytes;
    return;
  }
  if (!reading_) return;
  Fail(kBusy);
}

}  // namespace weir::net

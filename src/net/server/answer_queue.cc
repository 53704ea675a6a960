#include "net/server/answer_queue.h"

#include <algorithm>
#include <utility>

#include "net/server/request_body.h"

namespace weir::net {
namespace {

constexpr size_t kCompactBytes = 64u << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

uint64_t AnswerQueue::Open(Traits traits) {
  if (open() == ring_.size()) {
    std::vector<Slot> larger(ring_.empty() ? 1 : ring_.size() * 2);
    for (uint64_t at = first_; at < next_; ++at) {
      larger[at & (larger.size() - 1)] = std::move(At(at));
    }
    ring_ = std::move(larger);
  }
  Slot& slot = At(next_);
  slot = {};
  slot.traits = traits;
  slot.close = !traits.keep_alive;
  return next_++;
}

bool AnswerQueue::IsOpen(uint64_t sequence) const {
  return Has(sequence) && At(sequence).state == State::kOpen;
}

bool AnswerQueue::IsUnfinished(uint64_t sequence) const {
  return Has(sequence) && At(sequence).state != State::kHeld;
}

std::string& AnswerQueue::Output() {
  if (out_.empty()) {
    sent_ = 0;
    if (out_.capacity() < sizeof(std::string)) out_ = host_.TakeBuffer();
  }
  return out_;
}

void AnswerQueue::AppendHead(std::string& out, Slot& slot, const Response& response,
                             Framing framing) {
  slot.close = slot.close || response.close || framing == Framing::kUntilClose;
  ResponseHead head{.status = response.status,
                    .content_type = response.content_type,
                    .headers = response.headers,
                    .framing = framing,
                    .content_length = response.body.size()};
  if (slot.close) {
    head.connection = "close";
  } else if (!slot.traits.http11) {
    head.connection = "keep-alive";
  }
  AppendResponseHead(out, head, host_.common_headers());
  const auto status_class = static_cast<size_t>(response.status / 100);
  host_.counters.responses_by_class[std::min<size_t>(status_class, 5)].Add(1);
  TellAnswered(slot, response.status);
}

void AnswerQueue::Respond(uint64_t sequence, const Response& response) {
  if (!IsOpen(sequence)) return;
  Slot& slot = At(sequence);
  if (!slot.traits.head && !host_.HasRoomForAnswer(response.body.size())) {
    std::string body;
    return Respond(sequence, host_.AnswerTo(kAnswersHeld, &body));
  }
  const bool front = sequence == first_;
  if (!front) slot.held = std::make_unique<std::string>(host_.TakeBuffer());
  std::string& out = front ? Output() : *slot.held;
  AppendHead(out, slot, response, Framing::kLength);
  if (!slot.traits.head && HasBody(response.status)) out.append(response.body);
  slot.state = State::kHeld;
  if (front) {
    Pop();
    AdvanceFront();
  } else {
    held_bytes_ += slot.held->size();
  }
  Account();
}

StreamedAnswer* AnswerQueue::Stream(uint64_t sequence, const Response& head) {
  if (!IsOpen(sequence)) return nullptr;
  Slot& slot = At(sequence);
  const bool bodiless = slot.traits.head || !HasBody(head.status);
  const Framing framing = slot.traits.http11 ? Framing::kChunked : Framing::kUntilClose;
  slot.state = State::kStreaming;
  slot.stream = std::make_unique<StreamedAnswer>(
      this, framing, bodiless, head.content_type.starts_with("text/event-stream"));
  StreamedAnswer* const answer = slot.stream.get();
  std::string& out = OutputOf(*answer);
  AppendHead(out, slot, head, framing);
  if (!head.body.empty()) answer->Write(head.body);
  Touched();
  return answer;
}

void AnswerQueue::WantContinue(uint64_t sequence) {
  At(sequence).wants_continue = true;
  AdvanceFront();
}

void AnswerQueue::CancelContinue(uint64_t sequence) {
  if (Has(sequence)) At(sequence).wants_continue = false;
}

void AnswerQueue::SetMark(uint64_t sequence, Mark mark) {
  if (IsOpen(sequence)) At(sequence).mark = mark;
}

void AnswerQueue::TellAnswered(Slot& slot, int status) {
  if (slot.mark.none() && status < kRefusedFrom) return;
  host_.handler.OnAnswered(host_.loop, std::exchange(slot.mark, {}), status);
}

void AnswerQueue::SetClose(uint64_t sequence, bool close) {
  if (IsOpen(sequence)) At(sequence).close = close;
}

void AnswerQueue::CloseAfter(uint64_t sequence) {
  if (!Has(sequence)) {
    finished_ = true;
  } else if (At(sequence).stream && !At(sequence).stream->ended()) {
    At(sequence).stream->Abort();
  } else {
    At(sequence).close = true;
  }
}

bool AnswerQueue::closes(uint64_t sequence) const {
  return Has(sequence) ? At(sequence).close : finished_;
}

void AnswerQueue::Pop() {
  Slot& slot = At(first_);
  const bool close = slot.close;
  if (slot.stream) {
    slot.stream->Detach();
    ending_.push_back({std::move(slot.stream), sent_bytes_ + pending()});
  }
  slot = {};
  ++first_;
  if (!close) return;
  finished_ = true;
  for (; first_ < next_; ++first_) Drop(At(first_));
}

void AnswerQueue::Drop(Slot& slot) {
  TellAnswered(slot, 0);
  if (slot.stream) {
    slot.stream->Detach();
    host_.NotifyClosed(std::move(slot.stream), false);
  }
  if (slot.held) held_bytes_ -= slot.held->size();
  slot = {};
}

void AnswerQueue::AdvanceFront() {
  while (first_ < next_) {
    Slot& slot = At(first_);
    if (slot.state == State::kOpen) {
      if (std::exchange(slot.wants_continue, false)) Output().append(kContinue);
      return;
    }
    if (slot.state == State::kHeld) {
      Output().append(*slot.held);
      held_bytes_ -= slot.held->size();
      host_.GiveBuffer(std::move(*slot.held));
    } else {
      Output().append(slot.stream->waiting());
      std::string().swap(slot.stream->waiting());
      if (slot.stream->aborted()) return Aborted(*slot.stream);
      if (!slot.stream->ended()) return;
    }
    Pop();
  }
}

bool AnswerQueue::IsFront(const StreamedAnswer& answer) const {
  return first_ < next_ && At(first_).stream.get() == &answer;
}

std::string& AnswerQueue::OutputOf(StreamedAnswer& answer) {
  return IsFront(answer) ? Output() : answer.waiting();
}

size_t AnswerQueue::PendingOf(StreamedAnswer& answer) {
  return IsFront(answer) ? pending() : answer.waiting().size();
}

void AnswerQueue::Ended(StreamedAnswer& answer) {
  Touched();
  if (!IsFront(answer)) return;
  Pop();
  AdvanceFront();
}

void AnswerQueue::Aborted(StreamedAnswer& answer) {
  Touched();
  if (!IsFront(answer)) return;
  aborted_ = true;
  // Without chunks only a reset tells a broken answer from a complete one.
  reset_ = answer.framing() == Framing::kUntilClose;
}

bool AnswerQueue::has_endless() const {
  for (uint64_t at = first_; at < next_; ++at) {
    if (At(at).stream && At(at).stream->endless()) return true;
  }
  return false;
}

bool AnswerQueue::Flush() {
  bool progress = false;
  if (pending() > 0) {
    const size_t taken = host_.transport.Send(session_.id(), std::string_view(out_).substr(sent_));
    host_.counters.bytes_out.Add(taken);
    sent_ += taken;
    sent_bytes_ += taken;
    progress = taken > 0;
    if (sent_ == out_.size()) {
      host_.GiveBuffer(std::move(out_));
      out_ = {};
      sent_ = 0;
    } else if (sent_ >= kCompactBytes && sent_ * 2 >= out_.size()) {
      out_.erase(0, std::exchange(sent_, 0));
    }
  }
  if (!ending_.empty()) {
    size_t done = 0;
    while (done < ending_.size() && ending_[done].queued_bytes <= sent_bytes_) {
      host_.NotifyClosed(std::move(ending_[done++].answer), true);
    }
    ending_.erase(ending_.begin(), ending_.begin() + static_cast<ptrdiff_t>(done));
  }
  Account();
  return progress;
}

bool AnswerQueue::wants_drained() const {
  return first_ < next_ && At(first_).stream && At(first_).stream->full() &&
         pending() <= bytes_max() / 2;
}

void AnswerQueue::CallDrained() {
  if (wants_drained()) At(first_).stream->CallDrained();
}

void AnswerQueue::Abandon() {
  for (; first_ < next_; ++first_) Drop(At(first_));
  for (Ending& ending : ending_) host_.NotifyClosed(std::move(ending.answer), false);
  ending_.clear();
  if (out_.capacity() > sizeof(std::string)) host_.GiveBuffer(std::move(out_));
  out_ = {};
  sent_ = 0;
  Account();
}

void AnswerQueue::Account() {
  const size_t bytes = waiting();
  host_.CountAnswers(static_cast<ptrdiff_t>(bytes) - static_cast<ptrdiff_t>(accounted_bytes_));
  accounted_bytes_ = bytes;
}

}  // namespace weir::net

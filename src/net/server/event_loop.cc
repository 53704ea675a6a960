#include "net/server/event_loop.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/server/http1_session.h"
#include "net/server/http2_session.h"
#include "net/server/opening.h"
#include "net/server/streamed_answer.h"

namespace weir::net {
namespace {

constexpr int64_t kLagProbeNs = 10'000'000;

}  // namespace

EventLoop::EventLoop(Options options, std::unique_ptr<Transport> transport,
                     const base::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      transport_(std::move(transport)),
      now_ns_(clock.SteadyNs()),
      wheel_(now_ns_),
      offloaded_(wheel_, [this](const Offloaded& request) { AnswerLate(*this, request); }) {}

EventLoop::~EventLoop() = default;

void EventLoop::SetHandler(std::unique_ptr<Handler> handler) {
  handler_ = std::move(handler);
  host_ = std::make_unique<SessionHost>(*this, *handler_, *transport_, options_.limits,
                                        options_.memory, options_.server_name, now_ns_);
}

Session* EventLoop::Find(Ticket ticket) const {
  const ConnectionId id = SessionHost::ConnectionOf(ticket);
  return id < seats_.size() ? seats_[id].session.get() : nullptr;
}

void EventLoop::Respond(Ticket ticket, const Response& response) {
  if (Session* session = Find(ticket)) {
    session->Respond(SessionHost::SequenceOf(ticket), response);
  }
}

BodyWriter* EventLoop::RespondStreaming(Ticket ticket, const Response& head) {
  Session* session = Find(ticket);
  if (!session || session->closing()) return nullptr;
  return session->RespondStreaming(SessionHost::SequenceOf(ticket), head);
}

void EventLoop::ResumeBody(Ticket ticket) {
  if (Session* session = Find(ticket)) session->ResumeBody(SessionHost::SequenceOf(ticket));
}

bool EventLoop::alive(Ticket ticket) const {
  const Session* session = Find(ticket);
  return session && !session->closing() && session->alive(SessionHost::SequenceOf(ticket));
}

void EventLoop::SetMark(Ticket ticket, Mark mark) {
  if (Session* session = Find(ticket)) session->SetMark(SessionHost::SequenceOf(ticket), mark);
}

void EventLoop::After(int delay_ms, std::function<void()> task) {
  timers_.push({now_ns_ + int64_t{delay_ms} * 1'000'000, timer_order_++, std::move(task)});
}

bool EventLoop::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(posted_mutex_);
    if (stopped_) return false;
    posted_.push_back(std::move(task));
    any_posted_.store(true);
  }
  // Either the loop sees any_posted_ before it waits, or we see that it waits.
  if (waiting_.load() && waiting_.exchange(false)) transport_->Wake();
  return true;
}

void EventLoop::PlaceConnection(int descriptor, std::string peer) {
  if (draining_) {
    close(descriptor);
    load_.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  const ConnectionId id = transport_->Adopt(descriptor);
  if (id >= seats_.size()) seats_.resize(id + 1);
  Seat& seat = seats_[id];
  WEIR_CHECK(!seat.session);
  seat.spoken = false;
  seat.opening = {};
  seat.peer = peer;
  seat.session = std::make_unique<Http1Session>(*host_, id, std::move(peer), seat.next_sequence);
  host_->counters.opened.Add(1);
  ++open_;
}

void EventLoop::OnAwake() {
  waiting_.store(false, std::memory_order_relaxed);
  now_ns_ = clock_.SteadyNs();
  host_->now_ns = now_ns_;
  host_->wall_ms = clock_.WallMs();
}

// Sent only while there is work, so that an idle loop sleeps.
void EventLoop::ProbeLag() {
  if (!any_ran_ || probing_ || now_ns_ - probed_ns_ < kLagProbeNs) return;
  probing_ = true;
  probed_ns_ = clock_.SteadyNs();
  transport_->Wake();
}

void EventLoop::OnWoken() {
  if (!std::exchange(probing_, false)) return;
  handler_->OnLag(*this, clock_.SteadyNs() - probed_ns_);
}

void EventLoop::OnAccepted(int descriptor, std::string peer) {
  acceptor_(*this, descriptor, std::move(peer));
}

void EventLoop::OnReceived(ConnectionId id, std::string_view bytes) {
  if (!seats_[id].spoken) return Open(id, bytes);
  seats_[id].session->OnReceived(bytes);
}

// HTTP/1.1 until the client has said what it speaks, so that a silent one is timed out.
void EventLoop::Open(ConnectionId id, std::string_view bytes) {
  Seat& seat = seats_[id];
  std::string held = std::exchange(seat.opening, {});
  if (!held.empty()) bytes = held.append(bytes);
  const Opening spoken = LookAtOpening(bytes, transport_->Protocol(id));
  if (spoken == Opening::kUndecided) {
    seat.opening = bytes;
    return;
  }
  seat.spoken = true;
  if (spoken == Opening::kHttp2 && !seat.session->closing()) {
    wheel_.Remove(*seat.session);
    graveyard_.push_back(std::move(seat.session));
    seat.session =
        std::make_unique<Http2Session>(*host_, id, std::move(seat.peer), seat.next_sequence);
    host_->counters.http2_opened.Add(1);
  }
  std::string().swap(seat.peer);
  seat.session->OnReceived(bytes);
}

void EventLoop::OnPeerFinished(ConnectionId id) { seats_[id].session->OnPeerFinished(); }

void EventLoop::OnWritable(ConnectionId id) { seats_[id].session->OnWritable(); }

void EventLoop::OnBroken(ConnectionId id) { host_->Close(*seats_[id].session, false); }

int64_t EventLoop::NextTimeout(int64_t timeout_ns_max) const {
  if (busy()) return 0;
  int64_t due = wheel_.NextNs();
  if (!timers_.empty()) due = std::min(due, timers_.top().due_ns);
  if (due == DeadlineWheel::kNever) return timeout_ns_max;
  const int64_t timeout = std::max<int64_t>(due - clock_.SteadyNs(), 0);
  return timeout_ns_max < 0 ? timeout : std::min(timeout, timeout_ns_max);
}

void EventLoop::Turn(int64_t timeout_ns_max) {
  ProbeLag();
  int64_t timeout_ns = NextTimeout(timeout_ns_max);
  const bool look_only = kept_ && timeout_ns != 0;
  any_ran_ = false;
  if (look_only) {
    timeout_ns = 0;
  } else if (timeout_ns != 0) {
    waiting_.store(true);
    if (any_posted_.load()) timeout_ns = 0;
  }
  transport_->Wait(timeout_ns, *this);
  EndTurn();
  if (any_posted_.load()) RunPosted();
  RunTimers();
  RunDeferred();
  EndTurn();
  if (look_only && !any_ran_ && std::exchange(kept_, false)) {
    handler_->OnIdle(*this);
  }
}

void EventLoop::EndTurn() {
  if (!std::exchange(host_->handler_ran, false)) return;
  any_ran_ = true;
  kept_ = handler_->OnTurnEnd(*this);
}

void EventLoop::Run() {
  while (!finishing_ && !(draining_ && open_ == 0)) Turn();
}

void EventLoop::RunPosted() {
  {
    const std::lock_guard lock(posted_mutex_);
    running_.swap(posted_);
    any_posted_.store(false);
  }
  host_->handler_ran = true;
  for (std::function<void()>& task : running_) task();
  running_.clear();
}

void EventLoop::RunTimers() {
  if (wheel_.Advance(now_ns_)) host_->handler_ran = true;
  // Only those that are due now: one that sets itself again runs in a later turn.
  const uint64_t before = timer_order_;
  while (!timers_.empty() && timers_.top().due_ns <= now_ns_ && timers_.top().order < before) {
    std::function<void()> task = std::move(const_cast<Timer&>(timers_.top()).task);
    timers_.pop();
    host_->handler_ran = true;
    task();
  }
}

void EventLoop::RunDeferred() {
  host_->GrantMemory();
  // What is deferred meanwhile is done in the next turn, which then does not wait: a client that
  // reads as fast as a handler writes must not keep the others out.
  deferred_.swap(host_->deferred);
  for (Session* session : deferred_) {
    host_->Undefer(*session);
    session->Advance();
  }
  deferred_.clear();
  CloseClosing();
  RunNotices();
  graveyard_.clear();
}

void EventLoop::CloseClosing() {
  for (size_t i = 0; i < host_->closing.size(); ++i) {
    const SessionHost::Closing closing = host_->closing[i];
    Session& session = *closing.session;
    session.Abandon();
    host_->ForgetMemory(session);
    wheel_.Remove(session);
    if (SessionHost::IsDeferred(session)) std::erase(host_->deferred, &session);
    transport_->Close(session.id(), closing.reset);
    Seat& seat = seats_[session.id()];
    seat.next_sequence = session.next_sequence();
    graveyard_.push_back(std::move(seat.session));
    host_->counters.closed.Add(1);
    load_.fetch_sub(1, std::memory_order_relaxed);
    --open_;
  }
  host_->closing.clear();
}

void EventLoop::RunNotices() {
  // A callback may end further answers, which are told in the next turn.
  std::vector<SessionHost::Notice> notices;
  notices.swap(host_->notices);
  if (!notices.empty()) host_->handler_ran = true;
  for (SessionHost::Notice& notice : notices) {
    if (notice.answer) {
      notice.answer->CallClosed(notice.complete);
    } else {
      notice.reader->OnAbort();
    }
  }
}

void EventLoop::BeginDrain() {
  draining_ = true;
  transport_->StopAccepting();
  for (Seat& seat : seats_) {
    if (seat.session) seat.session->Drain();
  }
}

void EventLoop::CloseAll() {
  {
    const std::lock_guard lock(posted_mutex_);
    stopped_ = true;
  }
  draining_ = true;
  transport_->StopAccepting();
  // Placements that were still under way hold descriptors.
  RunPosted();
  for (Seat& seat : seats_) {
    if (seat.session) host_->Close(*seat.session, false);
  }
  while (!host_->closing.empty() || !host_->notices.empty() || !host_->deferred.empty()) {
    RunDeferred();
  }
  EndTurn();
  transport_->Finish();
}

}  // namespace weir::net

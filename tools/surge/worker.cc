#include "tools/surge/worker.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tools/surge/http1_exchange.h"
#include "tools/surge/http2_exchange.h"

namespace weir::surge {
namespace {

constexpr size_t kBufferBytes = 64u << 10;
constexpr int kEventsMax = 512;
// Below the server's listen queue (net.core.somaxconn is 4096), shared by all workers.
constexpr unsigned kConnectingMax = 128;
// The shortest sleep: requests that fall due within it go out together, which costs their latency
// this much at most and saves a wake-up each.
constexpr int64_t kShortestSleepNs = 50'000;
constexpr int64_t kLongestSleepNs = 100'000'000;  // `stop` is looked at this often

void AddRelaxed(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

int64_t SteadyNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Protocol Http1() {
  return {"http/1.1", [] { return std::make_unique<Http1Exchange>(); }};
}

Protocol Http2(std::shared_ptr<const Http2Head> head, unsigned streams) {
  return {"h2", [head = std::move(head), streams] {
            return std::make_unique<Http2Exchange>(head, streams);
          }};
}

base::Result<std::unique_ptr<Worker>> Worker::Create(const Target& target, Protocol protocol,
                                                     unsigned connections, uint64_t first) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) {
    return base::Fail(base::ErrorCode::kIo, std::string("epoll_create1: ") + std::strerror(errno));
  }
  return std::unique_ptr<Worker>(
      new Worker(target, std::move(protocol), connections, first, epoll));
}

Worker::Worker(const Target& target, Protocol protocol, unsigned connections, uint64_t first,
               int epoll)
    : target_(target),
      protocol_(std::move(protocol)),
      first_(first),
      epoll_(epoll),
      connections_(connections),
      now_ns_(SteadyNs()),
      buffer_(new char[kBufferBytes]) {
  if (target_.tls()) plain_.reset(new char[kBufferBytes]);
  for (uint32_t slot = 0; slot < connections; ++slot) down_.push_back({now_ns_, slot});
}

Worker::~Worker() {
  for (const Connection& connection : connections_) {
    if (connection.fd >= 0) close(connection.fd);
  }
  close(epoll_);
}

unsigned Worker::Connect(int64_t deadline_ns) {
  for (now_ns_ = SteadyNs(); connected_ < connections_.size() && now_ns_ < deadline_ns;
       now_ns_ = SteadyNs()) {
    Reconnect();
    Wait(now_ns_ + kReconnectNs);
  }
  return connected_;
}

void Worker::Run(Script& script, const std::atomic<bool>& stop) {
  script_ = &script;
  now_ns_ = SteadyNs();
  while (!stop.load(std::memory_order_relaxed)) {
    Reconnect();
    DropOverdue();
    const int64_t wake = SendDue();
    if (in_flight_ == 0 && script.Done(now_ns_)) break;
    now_ns_ = SteadyNs();
    Wait(wake);
    now_ns_ = SteadyNs();
  }
  script_ = nullptr;
}

void Worker::Answered(const Exchange::Sent& sent, const Answer& answer) {
  --in_flight_;
  script_->Answered(sent.tag, sent.due_ns, answer, now_ns_);
}

void Worker::Lost(const Exchange::Sent& sent, Exchange::Why why) {
  --in_flight_;
  if (why == Exchange::Why::kTakenBack) AddRelaxed(taken_back_);
  script_->Lost(sent.tag, sent.due_ns, now_ns_);
}

// Sends what is due for as long as a connection has room; when to look again.
int64_t Worker::SendDue() {
  uint32_t slot;
  while (PopIdle(slot)) {
    Connection& connection = connections_[slot];
    const unsigned before = connection.exchange->in_flight();
    int64_t wake = INT64_MAX;
    const bool more_due = Fill(connection, wake);
    const bool used = connection.exchange->in_flight() > before;
    if (Flush(connection) && !more_due) {
      // Connections take turns.
      connection.queued = true;
      used ? idle_.push_back(slot) : idle_.push_front(slot);
    }
    if (!more_due) return wake;
  }
  return INT64_MAX;
}

// Gives the connection what is due for as long as it has room. False: no more is due until
// `wake_ns`.
bool Worker::Fill(Connection& connection, int64_t& wake_ns) {
  Script::Request request;
  while (connection.exchange->room() > 0) {
    if (!script_->Take(now_ns_, request, wake_ns)) return false;
    connection.exchange->Send(request, now_ns_, out_);
    ++in_flight_;
  }
  return true;
}

void Worker::Wait(int64_t wake_ns) {
  if (!down_.empty()) wake_ns = std::min(wake_ns, down_.front().at_ns);
  const int64_t sleep = std::clamp(wake_ns - now_ns_, kShortestSleepNs, kLongestSleepNs);
  const timespec timeout{sleep / 1'000'000'000, sleep % 1'000'000'000};
  epoll_event events[kEventsMax];
  const int count = epoll_pwait2(epoll_, events, kEventsMax, &timeout, nullptr);
  if (count <= 0) return;
  // What was ready when the wait ended had arrived by then: one reading of the clock serves all.
  now_ns_ = SteadyNs();
  for (int i = 0; i < count; ++i) Handle(events[i].data.u32, events[i].events);
}

void Worker::Handle(uint32_t slot, uint32_t events) {
  Connection& connection = connections_[slot];
  switch (connection.state) {
    case State::kDown:
      return;  // closed earlier in this turn
    case State::kConnecting:
      return Open(connection);
    case State::kOpening:
    case State::kOpen:
      if (events & EPOLLOUT && !FlushUnsent(connection)) return;
      if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) Receive(connection);
  }
}

void Worker::Start(uint32_t slot) {
  Connection& connection = connections_[slot];
  const auto fd = target_.Connect(first_ + slot, /*blocking=*/false);
  if (!fd) {
    AddRelaxed(connect_failures_);
    error_ = fd.error().message;
    down_.push_back({now_ns_ + kReconnectNs, slot});
    return;
  }
  connection.fd = *fd;
  connection.state = State::kConnecting;
  connection.since_ns = now_ns_;
  connection.exchange = protocol_.begin();
  if (target_.tls()) {
    connection.tls = std::make_unique<TlsLink>(*target_.tls(), protocol_.alpn);
  }
  ++connecting_;
  Watch(connection, EPOLLOUT, EPOLL_CTL_ADD);
}

// TCP's connection has come to stand, or has failed.
void Worker::Open(Connection& connection) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(connection.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    error_ = std::strerror(error);
    AddRelaxed(connect_failures_);
    return Drop(connection);
  }
  --connecting_;
  ++opening_;
  connection.state = State::kOpening;
  Watch(connection, EPOLLIN, EPOLL_CTL_MOD);
  if (connection.tls) {
    connection.tls->Begin(encrypted_);
  } else {
    connection.exchange->Begin(out_);
  }
  if (!Flush(connection)) return;
  Stand(connection);
  if (connection.state == State::kOpen) PushIdle(connection);
}

// It stands once the peer has said all that must be known first.
void Worker::Stand(Connection& connection) {
  const bool stands =
      connection.exchange->begun() && (!connection.tls || connection.tls->established());
  if (connection.state != State::kOpening || !stands) return;
  --opening_;
  ++connected_;
  connection.state = State::kOpen;
}

void Worker::Reconnect() {
  while (!down_.empty() && down_.front().at_ns <= now_ns_ &&
         connecting_ + opening_ < kConnectingMax) {
    const uint32_t slot = down_.front().slot;
    down_.pop_front();
    Start(slot);
  }
}

// Sends out_, and the records in encrypted_ before it; both are empty afterwards. False: the
// connection is gone.
bool Worker::Flush(Connection& connection) {
  bool whole = true;
  if (connection.tls && !out_.empty()) whole = connection.tls->Write(out_, encrypted_);
  const std::string_view bytes = connection.tls ? encrypted_ : out_;
  size_t taken = 0;
  if (!bytes.empty() && connection.unsent.empty()) {
    const ssize_t sent = send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) whole = false;
    taken = static_cast<size_t>(std::max<ssize_t>(sent, 0));
  }
  if (taken < bytes.size() && whole) [[unlikely]] {
    connection.unsent += bytes.substr(taken);
    if (!std::exchange(connection.writable, true)) {
      Watch(connection, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
  }
  out_.clear();
  encrypted_.clear();
  if (!whole) Break(connection);
  return whole;
}

// False: the connection is gone.
bool Worker::FlushUnsent(Connection& connection) {
  std::string& unsent = connection.unsent;
  const ssize_t sent =
      unsent.empty() ? 0 : send(connection.fd, unsent.data(), unsent.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) {
    Break(connection);
    return false;
  }
  unsent.erase(0, static_cast<size_t>(std::max<ssize_t>(sent, 0)));
  const bool writable = !unsent.empty();
  if (writable != std::exchange(connection.writable, writable)) {
    Watch(connection, writable ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
  }
  return true;
}

void Worker::Receive(Connection& connection) {
  const ssize_t got = recv(connection.fd, buffer_.get(), kBufferBytes, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    if (connection.state == State::kOpening) error_ = "the server closed the connection";
    return Break(connection);
  }
  const std::string_view bytes(buffer_.get(), static_cast<size_t>(got));
  const auto verdict = connection.tls ? Decrypt(connection, bytes) : Deliver(connection, bytes);
  if (verdict == Exchange::Verdict::kBroken) {
    if (!connection.exchange->error().empty()) error_ = connection.exchange->error();
    out_.clear();
    if (Flush(connection)) Break(connection);  // TLS may still have something to say
    return;
  }
  Stand(connection);
  const bool open = connection.state == State::kOpen && verdict == Exchange::Verdict::kGoOn;
  int64_t wake;
  // If others have room, nothing is due that they could not take.
  if (open && script_ && idle_.empty()) Fill(connection, wake);
  if (!Flush(connection)) return;
  if (verdict == Exchange::Verdict::kClose) return Break(connection);
  if (open && connection.exchange->room() > 0) PushIdle(connection);
}

Exchange::Verdict Worker::Deliver(Connection& connection, std::string_view bytes) {
  return connection.exchange->Receive(bytes, connection.unsent.empty(), *this, out_);
}

Exchange::Verdict Worker::Decrypt(Connection& connection, std::string_view records) {
  TlsLink& tls = *connection.tls;
  bool handshaking = !tls.established();
  tls.Offer(records);
  while (true) {
    size_t got = 0;
    const TlsLink::State state = tls.Read(plain_.get(), kBufferBytes, got, encrypted_);
    if (state == TlsLink::State::kFailed) {
      error_ = "TLS: " + tls.error();
      return Exchange::Verdict::kBroken;
    }
    if (handshaking && tls.established()) {
      handshaking = false;
      if (protocol_.alpn == "h2" && tls.protocol() != "h2") {
        error_ = "the server does not offer HTTP/2 over TLS (ALPN)";
        return Exchange::Verdict::kBroken;
      }
      connection.exchange->Begin(out_);
    }
    if (state == TlsLink::State::kNeedsMore) return Exchange::Verdict::kGoOn;
    if (state == TlsLink::State::kClosed) return Exchange::Verdict::kClose;
    const auto verdict = Deliver(connection, {plain_.get(), got});
    if (verdict != Exchange::Verdict::kGoOn) return verdict;
  }
}

// It ended, perhaps with requests in flight.
void Worker::Break(Connection& connection) {
  if (connection.state == State::kOpening) AddRelaxed(connect_failures_);
  if (connection.exchange->in_flight() > 0) AddRelaxed(broken_);
  Drop(connection);
}

void Worker::Drop(Connection& connection) {
  const State state = std::exchange(connection.state, State::kDown);
  close(connection.fd);
  connection.fd = -1;
  connection.writable = false;
  connection.unsent.clear();
  connection.tls.reset();
  --(state == State::kConnecting ? connecting_ : state == State::kOpening ? opening_ : connected_);
  down_.push_back({now_ns_ + kReconnectNs, SlotOf(connection)});
  connection.exchange->Abandon(*this);
}

// Once a second: a server that hangs must not hold a report for ever.
void Worker::DropOverdue() {
  if (now_ns_ < next_sweep_ns_) return;
  next_sweep_ns_ = now_ns_ + 1'000'000'000;
  for (Connection& connection : connections_) {
    if (connection.state == State::kDown) continue;
    const int64_t since = connection.state == State::kOpen ? connection.exchange->oldest_sent_ns()
                                                           : connection.since_ns;
    if (since < now_ns_ - kAnswerTimeoutNs) Break(connection);
  }
}

// A connection that went down or was filled while it was queued is passed over when its turn comes.
bool Worker::PopIdle(uint32_t& slot) {
  while (!idle_.empty()) {
    slot = idle_.front();
    idle_.pop_front();
    Connection& connection = connections_[slot];
    connection.queued = false;
    if (connection.state == State::kOpen && connection.exchange->room() > 0) return true;
  }
  return false;
}

void Worker::PushIdle(Connection& connection) {
  if (std::exchange(connection.queued, true)) return;
  idle_.push_back(SlotOf(connection));
}

void Worker::Watch(Connection& connection, uint32_t events, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.u32 = SlotOf(connection);
  epoll_ctl(epoll_, operation, connection.fd, &event);
}

}  // namespace weir::surge

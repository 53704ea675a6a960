#include "tools/surge/worker.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace weir::surge {
namespace {

constexpr size_t kBufferBytes = 64u << 10;
// An answer that needs more than this is none of ours.
constexpr size_t kAnswerBytesMax = 8u << 20;
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

base::Result<std::unique_ptr<Worker>> Worker::Create(const Target& target, unsigned connections,
                                                     uint64_t first) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) {
    return base::Fail(base::ErrorCode::kIo, std::string("epoll_create1: ") + std::strerror(errno));
  }
  return std::unique_ptr<Worker>(new Worker(target, connections, first, epoll));
}

Worker::Worker(const Target& target, unsigned connections, uint64_t first, int epoll)
    : target_(target),
      first_(first),
      epoll_(epoll),
      connections_(connections),
      buffer_(new char[kBufferBytes]) {
  const int64_t now = SteadyNs();
  for (uint32_t slot = 0; slot < connections; ++slot) down_.push_back({now, slot});
}

Worker::~Worker() {
  for (const Connection& connection : connections_) {
    if (connection.fd >= 0) close(connection.fd);
  }
  close(epoll_);
}

unsigned Worker::Connect(int64_t deadline_ns) {
  for (int64_t now = SteadyNs(); connected_ < connections_.size() && now < deadline_ns;
       now = SteadyNs()) {
    Reconnect(now);
    Wait(now + kReconnectNs, now);
  }
  return connected_;
}

void Worker::Run(Script& script, const std::atomic<bool>& stop) {
  script_ = &script;
  int64_t now = SteadyNs();
  while (!stop.load(std::memory_order_relaxed)) {
    Reconnect(now);
    DropOverdue(now);
    const int64_t wake = SendDue(now);
    if (in_flight_ == 0 && script.Done(now)) break;
    Wait(wake, SteadyNs());
    now = SteadyNs();
  }
  script_ = nullptr;
}

// Sends what is due for as long as a connection is free; when to look again.
int64_t Worker::SendDue(int64_t now_ns) {
  uint32_t slot;
  while (PopIdle(slot)) {
    Script::Request request;
    int64_t wake = INT64_MAX;
    if (!script_->Take(now_ns, request, wake)) {
      connections_[slot].queued = true;
      idle_.push_front(slot);
      return wake;
    }
    Send(connections_[slot], request, now_ns);
  }
  return INT64_MAX;
}

void Worker::Wait(int64_t wake_ns, int64_t now_ns) {
  if (!down_.empty()) wake_ns = std::min(wake_ns, down_.front().at_ns);
  const int64_t sleep = std::clamp(wake_ns - now_ns, kShortestSleepNs, kLongestSleepNs);
  const timespec timeout{sleep / 1'000'000'000, sleep % 1'000'000'000};
  epoll_event events[kEventsMax];
  const int count = epoll_pwait2(epoll_, events, kEventsMax, &timeout, nullptr);
  if (count <= 0) return;
  // What was ready when the wait ended had arrived by then: one reading of the clock serves all.
  const int64_t arrived = SteadyNs();
  for (int i = 0; i < count; ++i) Handle(events[i].data.u32, events[i].events, arrived);
}

void Worker::Handle(uint32_t slot, uint32_t events, int64_t now_ns) {
  Connection& connection = connections_[slot];
  switch (connection.state) {
    case State::kDown:
      return;  // closed earlier in this turn
    case State::kConnecting: {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(connection.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        AddRelaxed(connect_failures_);
        return Drop(connection, now_ns);
      }
      --connecting_;
      ++connected_;
      Watch(connection, EPOLLIN, EPOLL_CTL_MOD);
      connection.state = State::kIdle;
      return PushIdle(connection);
    }
    case State::kIdle:
      return Drop(connection, now_ns);  // the server closed it, as it may, or spoke out of turn
    case State::kBusy:
      if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) return Receive(connection, now_ns);
      if (events & EPOLLOUT) Flush(connection, now_ns);
  }
}

void Worker::Start(uint32_t slot, int64_t now_ns) {
  Connection& connection = connections_[slot];
  const auto fd = target_.Connect(first_ + slot, /*blocking=*/false);
  if (!fd) {
    AddRelaxed(connect_failures_);
    down_.push_back({now_ns + kReconnectNs, slot});
    return;
  }
  connection.fd = *fd;
  connection.state = State::kConnecting;
  ++connecting_;
  Watch(connection, EPOLLOUT, EPOLL_CTL_ADD);
}

void Worker::Reconnect(int64_t now_ns) {
  while (!down_.empty() && down_.front().at_ns <= now_ns && connecting_ < kConnectingMax) {
    const uint32_t slot = down_.front().slot;
    down_.pop_front();
    Start(slot, now_ns);
  }
}

void Worker::Send(Connection& connection, const Script::Request& request, int64_t now_ns) {
  connection.state = State::kBusy;
  connection.tag = request.tag;
  connection.due_ns = request.due_ns;
  connection.sent_ns = now_ns;
  ++in_flight_;
  const ssize_t sent =
      send(connection.fd, request.bytes.data(), request.bytes.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(request.bytes.size())) [[likely]]
    return;
  if (sent < 0 && errno != EAGAIN) {
    AddRelaxed(broken_);
    return Drop(connection, now_ns);
  }
  connection.unsent = request.bytes.substr(static_cast<size_t>(std::max<ssize_t>(sent, 0)));
  connection.writable = true;
  Watch(connection, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
}

void Worker::Flush(Connection& connection, int64_t now_ns) {
  const ssize_t sent =
      send(connection.fd, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno == EAGAIN) return;
    AddRelaxed(broken_);
    return Drop(connection, now_ns);
  }
  connection.unsent.erase(0, static_cast<size_t>(sent));
  if (!connection.unsent.empty()) return;
  connection.writable = false;
  Watch(connection, EPOLLIN, EPOLL_CTL_MOD);
}

void Worker::Receive(Connection& connection, int64_t now_ns) {
  const ssize_t got = recv(connection.fd, buffer_.get(), kBufferBytes, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    AddRelaxed(broken_);
    return Drop(connection, now_ns);
  }
  std::string_view bytes(buffer_.get(), static_cast<size_t>(got));
  if (!connection.partial.empty()) {
    connection.partial.append(bytes);
    bytes = connection.partial;
  }
  Answer answer;
  const ParseResult result = parser_.Parse(bytes, answer);
  if (result == ParseResult::kIncomplete && bytes.size() < kAnswerBytesMax) {
    if (connection.partial.empty()) connection.partial = bytes;
    return;
  }
  // An answer before the request is out, or followed by more, ends the use of the connection.
  const bool whole = result == ParseResult::kWhole && answer.bytes == bytes.size();
  const bool keep = whole && !answer.close && connection.unsent.empty();
  if (!whole) {
    AddRelaxed(broken_);
    return Drop(connection, now_ns);
  }
  --in_flight_;
  connection.state = State::kIdle;
  script_->Answered(connection.tag, connection.due_ns, answer, now_ns);
  connection.partial.clear();
  if (keep) {
    Free(connection, now_ns);
  } else {
    Drop(connection, now_ns);
  }
}

// The connection can carry the next request: at once, if one waits for it.
void Worker::Free(Connection& connection, int64_t now_ns) {
  Script::Request request;
  int64_t wake;
  if (idle_.empty() && script_->Take(now_ns, request, wake)) {
    Send(connection, request, now_ns);
  } else {
    PushIdle(connection);
  }
}

void Worker::Drop(Connection& connection, int64_t now_ns) {
  const State state = connection.state;
  close(connection.fd);
  connection.fd = -1;
  connection.state = State::kDown;
  connection.writable = false;
  connection.unsent.clear();
  connection.partial.clear();
  if (state == State::kConnecting) {
    --connecting_;
  } else {
    --connected_;
  }
  down_.push_back({now_ns + kReconnectNs, SlotOf(connection)});
  if (state != State::kBusy) return;
  --in_flight_;
  script_->Lost(connection.tag, connection.due_ns, now_ns);
}

// Once a second: a server that hangs must not hold a report for ever.
void Worker::DropOverdue(int64_t now_ns) {
  if (now_ns < next_sweep_ns_) return;
  next_sweep_ns_ = now_ns + 1'000'000'000;
  for (Connection& connection : connections_) {
    if (connection.state == State::kBusy && now_ns - connection.sent_ns > kAnswerTimeoutNs) {
      AddRelaxed(broken_);
      Drop(connection, now_ns);
    }
  }
}

// A connection that went down while it was queued is passed over when its turn comes.
bool Worker::PopIdle(uint32_t& slot) {
  while (!idle_.empty()) {
    slot = idle_.front();
    idle_.pop_front();
    connections_[slot].queued = false;
    if (connections_[slot].state == State::kIdle) return true;
  }
  return false;
}

void Worker::PushIdle(Connection& connection) {
  if (connection.queued) return;
  connection.queued = true;
  idle_.push_back(SlotOf(connection));
}

void Worker::Watch(Connection& connection, uint32_t events, int operation) {
  epoll_event event{};
  event.events = events;
  event.data.u32 = SlotOf(connection);
  epoll_ctl(epoll_, operation, connection.fd, &event);
}

}  // namespace weir::surge

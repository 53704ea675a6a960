#include "net/epoll_loop.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/check.h"
#include "base/clock.h"

namespace weir::net {
namespace {

constexpr size_t kReadBytes = 64u << 10;
constexpr int kEventsMax = 512;
constexpr int kAcceptsMax = 64;            // in a row, before others have their turn
constexpr int kLingerReadsMax = 16;
constexpr int64_t kSweepNs = 100'000'000;  // how late a deadline may be noticed
constexpr size_t kSpareBuffersMax = 1024;
constexpr size_t kSpareBytesMax = 8u << 10;
constexpr uint64_t kListener = ~uint64_t{0};
constexpr uint64_t kWake = kListener - 1;

// A ticket is the slot (20 bits), the slot's generation (28) and the request's number (16).
constexpr unsigned kSlotBits = 20;
constexpr uint32_t kSlotsMax = 1u << kSlotBits;
constexpr uint32_t kGenerationMask = (1u << 28) - 1;

uint32_t SlotOf(Ticket ticket) { return static_cast<uint32_t>(ticket >> 44); }
uint32_t GenerationOf(Ticket ticket) {
  return static_cast<uint32_t>(ticket >> 16) & kGenerationMask;
}
Ticket MakeTicket(uint32_t slot, uint32_t generation) {
  return uint64_t{slot} << 44 | uint64_t{generation & kGenerationMask} << 16;
}

std::string PeerText(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text,
              sizeof text);
  }
  return text;
}

void Set(std::atomic<uint64_t>& to, uint64_t value) { to.store(value, std::memory_order_relaxed); }

}  // namespace

EpollLoop::EpollLoop(unsigned index, Descriptor listener, const ServerOptions& options,
                     SharedLimits& shared)
    : index_(index),
      limits_(options.limits),
      shared_(shared),
      listener_(std::move(listener)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      reserve_(open("/dev/null", O_RDONLY | O_CLOEXEC)),
      buffer_(new char[kReadBytes]) {
  WEIR_CHECK(epoll_.valid() && wake_.valid());
  context_.loop = this;
  context_.limits = &limits_;
  context_.parser_limits = {limits_.header_bytes_max, limits_.body_bytes_max,
                            limits_.streamed_body_bytes_max};
  context_.server_line = "Server: " + options.server_name + "\r\n";
  context_.now_ns = base::SystemClock().SteadyNs();
  context_.wrote = [this](Ticket ticket) { MarkDirty(SlotOf(ticket)); };
  UpdateDate();
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWake}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  event = {.events = EPOLLIN, .data = {.u64 = kListener}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event);
}

EpollLoop::~EpollLoop() {
  EndNow();
  Join();
}

void EpollLoop::Start(const std::function<std::unique_ptr<Handler>(Loop&)>& handler) {
  handler_ = handler(*this);
  context_.handler = handler_.get();
  thread_ = std::thread([this] { Run(); });
}

void EpollLoop::Join() {
  if (thread_.joinable()) thread_.join();
}

bool EpollLoop::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(posted_mutex_);
    if (ended_) return false;
    posted_.push_back(std::move(task));
    if (woken_) return true;
    woken_ = true;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  return true;
}

void EpollLoop::After(int delay_ms, std::function<void()> task) {
  timers_.push({context_.now_ns + delay_ms * int64_t{1'000'000}, timer_order_++, std::move(task)});
}

void EpollLoop::Run() {
  const std::string name = "weir-loop-" + std::to_string(index_);
  prctl(PR_SET_NAME, name.c_str());
  while (!ending_) Turn();
  for (uint32_t slot = 0; slot < entries_.size(); ++slot) {
    if (entries_[slot].connection) Close(slot);
  }
  Publish();
  const std::lock_guard lock(posted_mutex_);
  ended_ = true;
  posted_.clear();
}

void EpollLoop::Turn() {
  epoll_event events[kEventsMax];
  const int count = epoll_wait(epoll_.get(), events, kEventsMax, WaitMs());
  context_.now_ns = base::SystemClock().SteadyNs();
  UpdateDate();
  for (int i = 0; i < count; ++i) {
    const uint64_t id = events[i].data.u64;
    if (id == kListener) {
      Accept();
      continue;
    }
    if (id == kWake) {
      uint64_t value;
      [[maybe_unused]] const ssize_t got = read(wake_.get(), &value, sizeof value);
      continue;
    }
    const auto slot = static_cast<uint32_t>(id);
    if (slot >= entries_.size() || !entries_[slot].connection ||
        entries_[slot].generation != static_cast<uint32_t>(id >> 32)) {
      continue;
    }
    if (events[i].events & (EPOLLERR | EPOLLHUP)) {
      // The peer is gone for good; what it sent before may still be of use.
      if (!(events[i].events & EPOLLIN)) {
        Close(slot);
        continue;
      }
    }
    if (events[i].events & EPOLLIN) Read(slot);
    if (events[i].events & EPOLLOUT && entries_[slot].connection) MarkDirty(slot);
  }
  RunPosted();
  RunTimers();
  if (context_.now_ns >= next_sweep_ns_) SweepDeadlines();
  handler_->OnTurnEnd(*this);
  const uint64_t requests = context_.requests;
  FlushDirty();
  // Room in a send buffer may have let a pipeline go on.
  if (context_.requests != requests) handler_->OnTurnEnd(*this);
  Publish();
}

int EpollLoop::WaitMs() const {
  if (!dirty_.empty()) return 0;
  int64_t until_ns = next_sweep_ns_;
  if (open_ == 0) until_ns = context_.now_ns + int64_t{1'000'000'000};
  if (!timers_.empty()) until_ns = std::min(until_ns, timers_.top().due_ns);
  const int64_t wait_ns = until_ns - context_.now_ns;
  return wait_ns <= 0 ? 0 : static_cast<int>((wait_ns + 999'999) / 1'000'000);
}

void EpollLoop::Accept() {
  for (int i = 0; i < kAcceptsMax && listener_.valid(); ++i) {
    sockaddr_storage address;
    socklen_t size = sizeof address;
    Descriptor socket(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
      if (errno == EMFILE || errno == ENFILE) {
        // Closing it tells the client at once; leaving it would wake this loop for ever.
        reserve_.Reset();
        Descriptor refused(accept(listener_.get(), nullptr, nullptr));
        if (refused.valid()) ++refused_;
        refused.Reset();
        reserve_ = Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC));
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    if (shared_.connections.load(std::memory_order_relaxed) >= shared_.connections_max ||
        (free_.empty() && entries_.size() >= kSlotsMax)) {
      ++refused_;
      continue;
    }
    AddConnection(std::move(socket), PeerText(address));
  }
}

void EpollLoop::AddConnection(Descriptor socket, std::string peer) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(entries_.size()));
    entries_.emplace_back();
    deadlines_ns_.push_back(INT64_MAX);
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  Entry& entry = entries_[slot];
  entry.generation = (entry.generation + 1) & kGenerationMask;
  if (entry.generation == 0) entry.generation = 1;  // a ticket is never 0
  entry.socket = std::move(socket);
  entry.connection = std::make_unique<Http1Connection>(
      context_, MakeTicket(slot, entry.generation), std::move(peer));
  entry.interest = EPOLLIN;
  entry.half_closed = false;
  epoll_event event{.events = EPOLLIN, .data = {.u64 = uint64_t{entry.generation} << 32 | slot}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, entry.socket.get(), &event);
  deadlines_ns_[slot] = entry.connection->DeadlineNs();
  next_sweep_ns_ = std::min(next_sweep_ns_, context_.now_ns + kSweepNs);
  shared_.connections.fetch_add(1, std::memory_order_relaxed);
  ++accepted_;
  ++open_;
}

void EpollLoop::Read(uint32_t slot) {
  Entry& entry = entries_[slot];
  for (int i = 0;; ++i) {
    const ssize_t got = recv(entry.socket.get(), buffer_.get(), kReadBytes, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) Close(slot);
      return;
    }
    if (got == 0) {
      entry.connection->ReceiveEnd();
      MarkDirty(slot);
      return;
    }
    bytes_in_ += static_cast<uint64_t>(got);
    entry.connection->Receive({buffer_.get(), static_cast<size_t>(got)});
    MarkDirty(slot);
    // Level-triggered: what is left is told again. Discarded bytes are read on, to be done with it.
    if (!entry.connection->lingers() || i >= kLingerReadsMax) return;
  }
}

void EpollLoop::MarkDirty(uint32_t slot) {
  Entry& entry = entries_[slot];
  if (entry.dirty || !entry.connection) return;
  entry.dirty = true;
  dirty_.push_back(slot);
}

void EpollLoop::FlushDirty() {
  flushing_.swap(dirty_);
  for (const uint32_t slot : flushing_) {
    entries_[slot].dirty = false;
    if (entries_[slot].connection && Flush(slot)) {
      deadlines_ns_[slot] = entries_[slot].connection->DeadlineNs();
    }
  }
  flushing_.clear();
}

bool EpollLoop::Flush(uint32_t slot) {
  Entry& entry = entries_[slot];
  Http1Connection& connection = *entry.connection;
  while (!connection.out().empty()) {
    std::string& out = connection.out();
    const ssize_t sent = send(entry.socket.get(), out.data(), out.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      Close(slot);
      return false;
    }
    bytes_out_ += static_cast<uint64_t>(sent);
    if (static_cast<size_t>(sent) < out.size()) {
      out.erase(0, static_cast<size_t>(sent));
      connection.Progress();
      continue;
    }
    out.clear();
    connection.Sent();  // may write more
    if (!entry.connection) return false;
  }
  if (connection.out().empty() && connection.closing()) {
    if (!connection.lingers() || connection.read_ended()) {
      Close(slot);
      return false;
    }
    if (!entry.half_closed) {
      // The client may still be sending: a close now would reset the connection, and the answer
      // with it (RFC 9112, section 9.6).
      shutdown(entry.socket.get(), SHUT_WR);
      entry.half_closed = true;
    }
  }
  if (connection.out().empty() && connection.out().capacity() > 0 && connection.quiet()) {
    std::string().swap(connection.out());
  }
  UpdateInterest(slot);
  return true;
}

void EpollLoop::UpdateInterest(uint32_t slot) {
  Entry& entry = entries_[slot];
  const uint32_t wanted = (entry.connection->wants_read() ? uint32_t{EPOLLIN} : 0) |
                          (entry.connection->out().empty() ? 0 : uint32_t{EPOLLOUT});
  if (wanted == entry.interest) return;
  entry.interest = wanted;
  epoll_event event{.events = wanted, .data = {.u64 = uint64_t{entry.generation} << 32 | slot}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, entry.socket.get(), &event);
}

void EpollLoop::Close(uint32_t slot) {
  Entry& entry = entries_[slot];
  // Callbacks of Closed() may look at this slot: it is no longer a connection by then.
  const std::unique_ptr<Http1Connection> connection = std::move(entry.connection);
  connection->Closed();
  entry.socket.Reset();
  deadlines_ns_[slot] = INT64_MAX;
  free_.push_back(slot);
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  --open_;
}

void EpollLoop::RunPosted() {
  {
    const std::lock_guard lock(posted_mutex_);
    woken_ = false;
    running_.swap(posted_);
  }
  for (auto& task : running_) task();
  running_.clear();
}

void EpollLoop::RunTimers() {
  while (!timers_.empty() && timers_.top().due_ns <= context_.now_ns) {
    const auto task = std::move(const_cast<Timer&>(timers_.top()).task);
    timers_.pop();
    task();
  }
}

void EpollLoop::SweepDeadlines() {
  next_sweep_ns_ = context_.now_ns + kSweepNs;
  for (uint32_t slot = 0; slot < deadlines_ns_.size(); ++slot) {
    if (deadlines_ns_[slot] > context_.now_ns || !entries_[slot].connection) continue;
    const int64_t deadline_ns = entries_[slot].connection->DeadlineNs();
    if (deadline_ns > context_.now_ns) {
      deadlines_ns_[slot] = deadline_ns;
      continue;
    }
    entries_[slot].connection->Timeout();
    MarkDirty(slot);
  }
}

void EpollLoop::UpdateDate() {
  const int64_t second = context_.now_ns / 1'000'000'000;
  if (second == date_second_) return;
  date_second_ = second;
  const std::time_t now = base::SystemClock().WallMs() / 1000;
  std::tm parts;
  gmtime_r(&now, &parts);
  char text[48];
  const size_t size = std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
  context_.date_line.assign(text, size);
}

Http1Connection* EpollLoop::Find(Ticket ticket) const {
  const uint32_t slot = SlotOf(ticket);
  if (slot >= entries_.size() || entries_[slot].generation != GenerationOf(ticket)) return nullptr;
  return entries_[slot].connection.get();
}

void EpollLoop::Respond(Ticket ticket, const Response& response) {
  if (Http1Connection* connection = Find(ticket)) {
    connection->Respond(ticket, response);
    MarkDirty(SlotOf(ticket));
  }
}

BodyWriter* EpollLoop::RespondStreaming(Ticket ticket, const Response& head) {
  Http1Connection* connection = Find(ticket);
  return connection ? connection->RespondStreaming(ticket, head) : nullptr;
}

void EpollLoop::ResumeBody(Ticket ticket) {
  if (Http1Connection* connection = Find(ticket)) {
    connection->ResumeBody(ticket);
    MarkDirty(SlotOf(ticket));
  }
}

bool EpollLoop::alive(Ticket ticket) const {
  const Http1Connection* connection = Find(ticket);
  return connection && connection->alive(ticket);
}

void EpollLoop::BeginStop() {
  Post([this] {
    context_.stopping = true;
    if (listener_.valid()) {
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
      listener_.Reset();
    }
    for (uint32_t slot = 0; slot < entries_.size(); ++slot) {
      if (!entries_[slot].connection) continue;
      entries_[slot].connection->StopSoon();
      MarkDirty(slot);
    }
  });
}

void EpollLoop::EndNow() {
  Post([this] { ending_ = true; });
}

void EpollLoop::Publish() {
  Set(published_.connections, open_);
  Set(published_.accepted, accepted_);
  Set(published_.refused, refused_);
  Set(published_.requests, context_.requests);
  Set(published_.timeouts, context_.timeouts);
  Set(published_.bytes_in, bytes_in_);
  Set(published_.bytes_out, bytes_out_);
  for (size_t i = 0; i < 6; ++i) {
    Set(published_.responses_by_class[i], context_.responses_by_class[i]);
  }
}

void EpollLoop::AddTo(ServerStats& stats) const {
  const auto get = [](const std::atomic<uint64_t>& value) {
    return value.load(std::memory_order_relaxed);
  };
  stats.connections += get(published_.connections);
  stats.accepted += get(published_.accepted);
  stats.refused += get(published_.refused);
  stats.requests += get(published_.requests);
  stats.timeouts += get(published_.timeouts);
  stats.bytes_in += get(published_.bytes_in);
  stats.bytes_out += get(published_.bytes_out);
  for (size_t i = 0; i < 6; ++i) {
    stats.responses_by_class[i] += get(published_.responses_by_class[i]);
  }
}

}  // namespace weir::net

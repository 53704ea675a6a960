#include <algorithm>

#include "net/problem.h"
#include "net/server/session.h"
#include "net/server/streamed_answer.h"

namespace weir::net {
namespace {

// 44 bits of sequence: five years of a hundred thousand requests a second on one connection.
constexpr unsigned kSequenceBits = 44;
constexpr uint64_t kSequenceMask = (uint64_t{1} << kSequenceBits) - 1;
// A turn's answers and no more; the rest of the memory goes back.
constexpr size_t kBuffersKept = 256;
constexpr size_t kBufferBytesKept = 16u << 10;
// The reserve, as a part of the memory. Half of it is for those who go on; one body goes into that.
constexpr size_t kReservePart = 4;
// What a session receives at once when it is read again.
constexpr size_t kReceivedBytes = 64u << 10;

}  // namespace

SessionHost::SessionHost(Loop& loop_of, Handler& handler_of, Transport& transport_of,
                         const Limits& limits_of, const MemoryShares& memory,
                         std::string_view server_name, int64_t now)
    : loop(loop_of),
      handler(handler_of),
      transport(transport_of),
      limits(limits_of),
      now_ns(now),
      wheel_(loop_of.deadlines()),
      common_headers_(server_name),
      memory_(memory),
      memory_reserve_(
          std::max<size_t>(memory.bodies_max / kReservePart, 2 * limits_of.body_bytes_max)) {}

bool SessionHost::ReserveMemory(Session& session, ptrdiff_t bytes) {
  const bool goes_on = session.memory_ == Session::Memory::kOfReserve;
  const size_t most = memory_.bodies_max + (goes_on ? memory_reserve_ : memory_reserve_ / 2);
  if (bytes > 0 && memory_held_ + static_cast<size_t>(bytes) > most) return false;
  const bool was_short = memory_is_short();
  NoteHeld(session, bytes);
  if (bytes < 0 && session.memory_ != Session::Memory::kOwn) {
    ForgetMemory(session);
    Defer(session);
  }
  if (memory_is_short() && !was_short) {
    for (Session* holder : holders_) AwaitMemory(*holder);
  } else if (memory_is_short() && bytes > 0) {
    AwaitMemory(session);
  }
  if (memory_is_short() != was_short) transport.ReceiveLess(!was_short);
  return true;
}

void SessionHost::NoteHeld(Session& session, ptrdiff_t bytes) {
  memory_held_ += static_cast<size_t>(bytes);
  const bool held = session.memory_held_ > 0;
  session.memory_held_ += static_cast<size_t>(bytes);
  if (held == (session.memory_held_ > 0)) return;
  if (!held) {
    session.holder_ = holders_.size();
    holders_.push_back(&session);
    return;
  }
  holders_.back()->holder_ = session.holder_;
  holders_[session.holder_] = holders_.back();
  holders_.pop_back();
}

void SessionHost::AwaitMemory(Session& session) {
  if (session.memory_ != Session::Memory::kOwn) return;
  session.memory_ = Session::Memory::kAwaited;
  awaiting_memory_.push_back(&session);
  session.SetPaused(true);
}

void SessionHost::ForgetMemory(Session& session) {
  const auto was = std::exchange(session.memory_, Session::Memory::kOwn);
  if (was == Session::Memory::kOfReserve) --of_reserve_;
  if (was == Session::Memory::kAwaited) std::erase(awaiting_memory_, &session);
}

bool SessionHost::may_grant_memory() const {
  if (awaiting_memory_.empty()) return false;
  return !memory_is_short() || reserve_has_room();
}

void SessionHost::GrantMemory() {
  size_t granted = 0;
  while (granted < awaiting_memory_.size() && may_grant_memory()) {
    const bool is_short = memory_held_ + granted * kReceivedBytes > memory_.bodies_max;
    if (is_short && !reserve_has_room()) break;
    Session& session = *awaiting_memory_[granted++];
    session.memory_ = is_short ? Session::Memory::kOfReserve : Session::Memory::kOwn;
    if (is_short) ++of_reserve_;
    Defer(session);
  }
  awaiting_memory_.erase(awaiting_memory_.begin(),
                         awaiting_memory_.begin() + static_cast<ptrdiff_t>(granted));
}

std::string SessionHost::TakeBuffer() {
  if (buffers_.empty()) return {};
  std::string buffer = std::move(buffers_.back());
  buffers_.pop_back();
  return buffer;
}

void SessionHost::GiveBuffer(std::string&& buffer) {
  if (buffers_.size() >= kBuffersKept || buffer.capacity() > kBufferBytesKept) {
    std::string().swap(buffer);
    return;
  }
  buffer.clear();
  buffers_.push_back(std::move(buffer));
}

void SessionHost::Defer(Session& session) {
  if (std::exchange(session.deferred_, true)) return;
  deferred.push_back(&session);
}

void SessionHost::Close(Session& session, bool reset) {
  if (std::exchange(session.closing_, true)) return;
  closing.push_back({&session, reset});
}

Response SessionHost::AnswerTo(Refusal refusal, std::string* body) {
  *body = handler.Problem(refusal.status, refusal.detail);
  Response response{.status = refusal.status, .content_type = kProblemContentType, .body = *body};
  if (refusal.status == 415) response.headers = "Accept-Encoding: gzip, deflate\r\n";
  if (refusal.status == 503) {
    retry_after_ = RetryAfter(1, static_cast<uint64_t>(now_ns) * 0x9e3779b97f4a7c15);
    response.headers = retry_after_;
  }
  return response;
}

void SessionHost::NotifyClosed(std::unique_ptr<StreamedAnswer> answer, bool complete) {
  notices.push_back({std::move(answer), nullptr, complete});
}

void SessionHost::NotifyAborted(BodyReader* reader) { notices.push_back({nullptr, reader, false}); }

Ticket SessionHost::MakeTicket(ConnectionId id, uint64_t sequence) {
  return uint64_t{id} << kSequenceBits | (sequence & kSequenceMask);
}
ConnectionId SessionHost::ConnectionOf(Ticket ticket) {
  return static_cast<ConnectionId>(ticket >> kSequenceBits);
}
uint64_t SessionHost::SequenceOf(Ticket ticket) { return ticket & kSequenceMask; }

}  // namespace weir::net

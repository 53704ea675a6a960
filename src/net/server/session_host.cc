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
      memory_(memory) {}

bool SessionHost::ReserveMemory(ptrdiff_t bytes) {
  if (bytes > 0 && memory_held_ + static_cast<size_t>(bytes) > memory_.bodies_max) return false;
  memory_held_ += static_cast<size_t>(bytes);
  return true;
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

#include "net/http1_connection.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/check.h"
#include "net/problem.h"

namespace weir::net {
namespace {

constexpr Ticket kSeqMask = 0xffff;

void AppendNumber(std::string& to, uint64_t value) {
  char buffer[24];
  to.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

}  // namespace

// An answer in pieces. Belongs to its slot; where earlier answers are still missing, its bytes wait
// in the slot.
class Http1Connection::Writer final : public BodyWriter {
 public:
  Writer(Http1Connection* connection, bool chunked, bool muted)
      : connection_(connection), chunked_(chunked), muted_(muted) {}

  bool Write(std::string_view bytes) override {
    if (!connection_ || ended_) return true;
    if (!bytes.empty() && !muted_) {
      std::string& to = Target();
      if (chunked_) {
        char size[20];
        to.append(size, static_cast<size_t>(std::snprintf(size, sizeof size, "%zx\r\n",
                                                          bytes.size())));
        to.append(bytes);
        to.append("\r\n");
      } else {
        to.append(bytes);
      }
    }
    connection_->WriterWrote();
    full_ = Target().size() > connection_->context_.limits->send_buffer_bytes_max;
    return !full_;
  }

  void End() override {
    if (!connection_ || ended_) return;
    ended_ = true;
    if (chunked_ && !muted_) Target().append("0\r\n\r\n");
    Http1Connection* connection = connection_;
    connection_ = nullptr;
    const size_t index = IndexIn(*connection);
    // The slot gives this object back after its closed callback.
    std::unique_ptr<Writer> self = std::move(connection->slots_[index].writer);
    connection->slots_[index].ready = true;
    if (closed_) closed_(true);
    connection->WriterWrote();
    connection->Advance();
  }

  void Abort() override {
    if (!connection_ || ended_) return;
    Http1Connection* connection = connection_;
    connection->closing_ = true;
    connection->lingers_ = false;
    connection->WriterWrote();
  }

  void OnDrained(std::function<void()> drained) override { drained_ = std::move(drained); }
  void OnClosed(std::function<void(bool)> closed) override { closed_ = std::move(closed); }

  void Drained() {
    if (!full_ || !connection_ || Target().size() > 0) return;
    full_ = false;
    if (drained_) drained_();
  }
  void Gone() {
    connection_ = nullptr;
    if (closed_) closed_(false);
  }

 private:
  size_t IndexIn(Http1Connection& connection) {
    for (size_t i = 0; i < connection.slots_.size(); ++i) {
      if (connection.slots_[i].writer.get() == this) return i;
    }
    WEIR_CHECK_MSG(false, "a writer without its slot");
    return 0;
  }
  std::string& Target() {
    const size_t index = IndexIn(*connection_);
    return index == 0 ? connection_->out_ : connection_->slots_[index].bytes;
  }

  Http1Connection* connection_;
  const bool chunked_;
  const bool muted_;
  bool full_ = false;
  bool ended_ = false;
  std::function<void()> drained_;
  std::function<void(bool)> closed_;
};

Http1Connection::Http1Connection(ConnectionContext& context, Ticket ticket, std::string peer)
    : context_(context),
      base_(ticket & ~kSeqMask),
      peer_(std::move(peer)),
      opened_ns_(context.now_ns),
      active_ns_(context.now_ns) {}

Http1Connection::~Http1Connection() { context_.partial_bytes -= partial_.capacity(); }

size_t Http1Connection::IndexOf(Ticket ticket) const {
  if ((ticket & ~kSeqMask) != base_) return SIZE_MAX;
  const size_t index = static_cast<uint16_t>(static_cast<uint16_t>(ticket) - first_seq_);
  return index < slots_.size() && !slots_[index].ready && !closing_ ? index : SIZE_MAX;
}

Ticket Http1Connection::TicketOf(size_t index) const {
  return base_ | static_cast<uint16_t>(first_seq_ + index);
}

bool Http1Connection::CanTake() const {
  return !closing_ && !refused_ && slots_.size() < context_.limits->pipeline_max &&
         out_.size() <= context_.limits->send_buffer_bytes_max && !(parser_ && parser_->paused()) &&
         !(stop_soon_ && !parser_);
}

bool Http1Connection::wants_read() const {
  return !read_ended_ && (lingers_ || CanTake());
}

void Http1Connection::Receive(std::string_view bytes) {
  active_ns_ = context_.now_ns;
  any_byte_ = true;
  if (closing_ || refused_) return;  // lingering: discarded
  if (partial_.empty()) return ProcessFrom(bytes);
  const size_t before = partial_.capacity();
  partial_.append(bytes);
  context_.partial_bytes += partial_.capacity() - before;
  Process();
}

void Http1Connection::ReceiveEnd() {
  read_ended_ = true;
  stop_soon_ = true;
  // Half-closed: what was asked is still answered, unless the answer has no end (events), or the
  // question none.
  const bool endless =
      std::ranges::any_of(slots_, [](const Slot& slot) { return slot.writer && !slot.has_body; });
  if (slots_.empty() || endless || lingers_ || (parser_ && parser_->header_done())) closing_ = true;
  if (lingers_) out_.clear();
}

void Http1Connection::Process() {
  if (processing_ || partial_.empty()) return;
  ProcessFrom(partial_);
}

void Http1Connection::ProcessFrom(std::string_view data) {
  processing_ = true;
  const bool from_partial = data.data() == partial_.data();
  const size_t given = data.size();
  while (CanTake()) {
    if (!parser_) {
      if (data.empty()) break;
      parser_ = std::make_unique<RequestParser>(context_.parser_limits);
      if (first_byte_ns_ == 0) first_byte_ns_ = context_.now_ns;
    }
    size_t used = 0;
    const auto progress = parser_->Feed(data, &used);
    data.remove_prefix(used);
    if (progress == RequestParser::Progress::kHeader) {
      StartRequest();
    } else if (progress == RequestParser::Progress::kDone) {
      FinishRequest();
    } else if (progress == RequestParser::Progress::kFailed) {
      FailRequest();
    } else {
      break;
    }
  }
  if (parser_ && !parser_->header_done()) parser_.reset();  // begins again with more bytes
  if (parser_) parser_->Keep();
  if (closing_ || refused_) data = {};
  if (from_partial) {
    partial_.erase(0, given - data.size());
    if (partial_.empty()) {
      context_.partial_bytes -= partial_.capacity();
      std::string().swap(partial_);
      context_.partial_bytes += partial_.capacity();
    }
  } else {
    KeepRest(data);
  }
  processing_ = false;
}

void Http1Connection::KeepRest(std::string_view rest) {
  if (rest.empty()) return;
  const size_t before = partial_.capacity();
  partial_.assign(rest);
  context_.partial_bytes += partial_.capacity() - before;
  if (context_.partial_bytes > context_.limits->body_memory_bytes_max && slots_.empty()) {
    closing_ = true;  // memory for partial requests is used up: this one is sent again later
  }
}

void Http1Connection::StartRequest() {
  ++context_.requests;
  header_done_ns_ = context_.now_ns;
  Request& request = parser_->request();
  Slot slot;
  slot.head = request.method == Method::kHead;
  slot.http_1_0 = parser_->http_1_0();
  slot.keep_alive = parser_->keep_alive() && !stop_soon_ && !context_.stopping;
  slot.has_body = slot.body_pending = request.has_body;
  slots_.push_back(std::move(slot));
  request.ticket = TicketOf(slots_.size() - 1);
  request.received_ns = first_byte_ns_;
  request.peer = peer_;
  const Handler::Decision decision = context_.handler->OnHeaders(*context_.loop, request);
  if (decision.take == Handler::Take::kRefused) {
    if (request.has_body) {
      refused_ = true;
      lingers_ = true;
    }
    return;
  }
  if (decision.take == Handler::Take::kInPieces) parser_->SetReader(decision.reader);
  if (parser_->expects_continue() && slots_.size() == 1) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
}

void Http1Connection::FinishRequest() {
  // The parser is taken aside: the handler may answer, and parsing may go on, before this returns.
  const std::unique_ptr<RequestParser> parser = std::move(parser_);
  first_byte_ns_ = 0;
  Request& request = parser->request();
  const size_t index = IndexOf(request.ticket);
  if (index < slots_.size()) {
    slots_[index].body_pending = false;
    if (!slots_[index].keep_alive) stop_soon_ = true;
  }
  if (BodyReader* reader = parser->reader()) return reader->OnEnd();
  if (index < slots_.size()) context_.handler->OnRequest(*context_.loop, request);
}

void Http1Connection::FailRequest() {
  const ParseFailure failure = parser_->failure();
  BodyReader* reader = parser_->reader();
  const bool started = parser_->header_done();
  const Ticket ticket = parser_->request().ticket;
  parser_.reset();
  if (reader) reader->OnAbort();
  if (!started) {
    ++context_.requests;
    slots_.emplace_back();
  } else if (IndexOf(ticket) >= slots_.size()) {
    closing_ = lingers_ = true;  // answered already
    return;
  }
  refused_ = lingers_ = true;
  Slot& slot = slots_.back();
  slot.keep_alive = false;
  const std::string problem = context_.handler->Problem(failure.status, failure.detail);
  Respond(TicketOf(slots_.size() - 1), {.status = failure.status,
                                        .content_type = kProblemContentType,
                                        .body = problem,
                                        .close = true});
}

void Http1Connection::AppendHead(std::string& to, Slot& slot, const Response& response, bool chunked,
                                 bool has_length, bool close) {
  to += "HTTP/1.1 ";
  AppendNumber(to, static_cast<uint64_t>(response.status));
  to += ' ';
  to += StatusText(response.status);
  to += "\r\n";
  to += context_.server_line;
  to += context_.date_line;
  if (response.status != 204) {
    to += "Content-Type: ";
    to += response.content_type;
    to += "\r\n";
    if (has_length) {
      to += "Content-Length: ";
      AppendNumber(to, response.body.size());
      to += "\r\n";
    }
  }
  if (chunked) to += "Transfer-Encoding: chunked\r\n";
  if (close) {
    to += "Connection: close\r\n";
  } else if (slot.http_1_0) {
    to += "Connection: keep-alive\r\n";
  }
  to += response.headers;
  to += "\r\n";
  ++context_.responses_by_class[std::clamp(response.status / 100, 0, 5)];
}

void Http1Connection::Respond(Ticket ticket, const Response& response) {
  const size_t index = IndexOf(ticket);
  if (index >= slots_.size()) return;
  Slot& slot = slots_[index];
  if (slot.writer) return;
  // A body that nobody reads any more leaves the connection without a next request.
  const bool close = response.close || !slot.keep_alive || slot.body_pending || context_.stopping;
  if (close) slot.keep_alive = false;
  std::string& to = index == 0 ? out_ : slot.bytes;
  AppendHead(to, slot, response, false, true, close);
  if (!slot.head && response.status != 204) to += response.body;
  slot.ready = true;
  if (slot.body_pending) refused_ = lingers_ = true;
  if (index == 0) Advance();
}

BodyWriter* Http1Connection::RespondStreaming(Ticket ticket, const Response& head) {
  const size_t index = IndexOf(ticket);
  if (index >= slots_.size() || slots_[index].writer) return nullptr;
  Slot& slot = slots_[index];
  const bool chunked = !slot.http_1_0;
  if (!chunked || head.close || context_.stopping) slot.keep_alive = false;
  AppendHead(index == 0 ? out_ : slot.bytes, slot, head, chunked, false, !slot.keep_alive);
  slot.writer = std::make_unique<Writer>(this, chunked, slot.head);
  WriterWrote();
  return slot.writer.get();
}

// Drops answered slots from the front, and lets the next one write straight to out_.
void Http1Connection::Advance() {
  while (!slots_.empty() && slots_.front().ready) {
    const bool last = !slots_.front().keep_alive;
    slots_.erase(slots_.begin());
    ++first_seq_;
    if (last) {
      closing_ = true;
      return;
    }
    if (!slots_.empty()) {
      out_ += slots_.front().bytes;
      std::string().swap(slots_.front().bytes);
      if (slots_.front().writer) slots_.front().writer->Drained();
    }
  }
  active_ns_ = context_.now_ns;
  if (slots_.empty() && read_ended_) closing_ = true;
  if (slots_.empty() && stop_soon_ && !parser_) closing_ = true;
  Process();
}

void Http1Connection::WriterWrote() { context_.wrote(base_); }

void Http1Connection::Sent() {
  active_ns_ = context_.now_ns;
  if (!slots_.empty() && slots_.front().writer) slots_.front().writer->Drained();
  Process();
}

void Http1Connection::ResumeBody(Ticket ticket) {
  if (!parser_ || !parser_->paused() || parser_->request().ticket != ticket) return;
  parser_->Resume();
  header_done_ns_ = context_.now_ns;
  Process();
}

void Http1Connection::Closed() {
  closing_ = true;
  processing_ = true;  // nothing is parsed any more
  if (parser_ && parser_->reader()) parser_->reader()->OnAbort();
  parser_.reset();
  std::vector<Slot> slots;
  slots.swap(slots_);
  for (Slot& slot : slots) {
    if (slot.writer) slot.writer->Gone();
  }
}

void Http1Connection::StopSoon() {
  stop_soon_ = true;
  for (Slot& slot : slots_) slot.keep_alive = false;
  if (slots_.empty() && !parser_ && partial_.empty()) closing_ = true;
}

int64_t Http1Connection::DeadlineNs() const {
  const Limits& limits = *context_.limits;
  const auto after = [](int64_t from, int ms) { return from + ms * int64_t{1'000'000}; };
  if (!out_.empty()) return after(active_ns_, limits.send_timeout_ms);
  if (lingers_) return after(active_ns_, 2000);
  if (parser_ && !parser_->paused()) return after(header_done_ns_, limits.body_timeout_ms);
  if (!slots_.empty()) return INT64_MAX;  // the handler is at work
  if (!partial_.empty()) return after(first_byte_ns_, limits.header_timeout_ms);
  if (!any_byte_) return after(opened_ns_, limits.first_byte_timeout_ms);
  return after(active_ns_, limits.idle_timeout_ms);
}

void Http1Connection::Timeout() {
  ++context_.timeouts;
  const bool reading = out_.empty() && !lingers_ && (parser_ || !partial_.empty());
  if (!reading || !slots_.empty()) {
    // Idle, or not reading its answers, or answered before its body came.
    closing_ = true;
    lingers_ = false;
    out_.clear();
    return;
  }
  parser_.reset();
  slots_.emplace_back();
  slots_.back().keep_alive = false;
  refused_ = lingers_ = true;
  const std::string problem =
      context_.handler->Problem(408, "the request did not arrive in time; send it again");
  Respond(TicketOf(slots_.size() - 1),
          {.status = 408, .content_type = kProblemContentType, .body = problem, .close = true});
}

}  // namespace weir::net

// One HTTP/1.x connection without its socket: bytes in, requests to the handler; answers, bytes out.
//
// Requests of a pipeline are answered in order: each holds a slot from its header until its answer
// has been written to out(). Past ConnectionLimits::pipeline_max slots, or with more than
// send_buffer_bytes_max waiting to be sent, nothing more is parsed and wants_read() is false.
// The owner sends out() and calls Sent(); one thread; the same for every transport.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "net/request_parser.h"
#include "net/server.h"

namespace weir::net {

// What all connections of a loop share.
struct ConnectionContext {
  Loop* loop = nullptr;
  Handler* handler = nullptr;
  const Limits* limits = nullptr;
  ParserLimits parser_limits;
  std::string server_line;  // "Server: weir\r\n"
  std::string date_line;    // "Date: …\r\n", kept current by the loop
  int64_t now_ns = 0;
  bool stopping = false;    // answers say Connection: close
  // Counted by the loop's thread.
  uint64_t requests = 0;
  uint64_t responses_by_class[6] = {};
  uint64_t timeouts = 0;
  size_t partial_bytes = 0;  // of all connections
  // Something was written to out() outside of a call from the loop: it is to be sent.
  std::function<void(Ticket)> wrote;
};

class Http1Connection {
 public:
  // `ticket` is of the connection's first request; the low 16 bits are the requests' number.
  Http1Connection(ConnectionContext& context, Ticket ticket, std::string peer);
  ~Http1Connection();
  Http1Connection(const Http1Connection&) = delete;
  Http1Connection& operator=(const Http1Connection&) = delete;

  void Receive(std::string_view bytes);
  // The peer will send nothing more.
  void ReceiveEnd();
  // The connection is gone: whoever reads or writes a body through it is told. Nothing is called
  // after that.
  void Closed();

  void Respond(Ticket ticket, const Response& response);
  BodyWriter* RespondStreaming(Ticket ticket, const Response& head);
  void ResumeBody(Ticket ticket);
  bool alive(Ticket ticket) const { return IndexOf(ticket) < slots_.size(); }

  std::string& out() { return out_; }
  // The owner has taken some of out(), or everything.
  void Progress() { active_ns_ = context_.now_ns; }
  void Sent();

  bool wants_read() const;
  // Close as soon as out() is sent; with lingering: read and discard until the peer closes.
  bool closing() const { return closing_; }
  bool lingers() const { return lingers_; }
  bool read_ended() const { return read_ended_; }
  // Nothing is being answered: buffers may be given back.
  bool quiet() const { return slots_.empty(); }
  bool idle() const { return slots_.empty() && !parser_ && partial_.empty() && out_.empty(); }
  // Answers nothing more after what is in progress.
  void StopSoon();

  // When Timeout() is to be called if nothing changes; steady clock; INT64_MAX: never.
  int64_t DeadlineNs() const;
  void Timeout();

 private:
  class Writer;
  friend class Writer;
  struct Slot {
    bool head = false;        // a HEAD request: the answer has no body
    bool http_1_0 = false;
    bool keep_alive = true;
    bool ready = false;       // fully in `bytes`, or in out_
    bool has_body = false;
    bool body_pending = false;  // the request's body is not complete yet
    std::string bytes;        // what cannot be sent before earlier answers
    std::unique_ptr<Writer> writer;
  };

  size_t IndexOf(Ticket ticket) const;
  Ticket TicketOf(size_t index) const;
  void Process();
  void ProcessFrom(std::string_view data);
  void StartRequest();
  void FinishRequest();
  void FailRequest();
  void KeepRest(std::string_view rest);
  bool CanTake() const;
  void AppendHead(std::string& to, Slot& slot, const Response& response, bool chunked, bool has_length,
                  bool close);
  void Advance();
  void WriterWrote();

  ConnectionContext& context_;
  const Ticket base_;
  const std::string peer_;
  std::string out_;
  std::string partial_;
  std::unique_ptr<RequestParser> parser_;
  std::vector<Slot> slots_;
  uint16_t first_seq_ = 0;
  int64_t opened_ns_;
  int64_t first_byte_ns_ = 0;   // of the request being read; 0: none
  int64_t header_done_ns_ = 0;
  int64_t active_ns_;           // last byte in or out
  bool any_byte_ = false;
  bool processing_ = false;
  bool closing_ = false;
  bool lingers_ = false;
  bool read_ended_ = false;
  bool stop_soon_ = false;
  bool refused_ = false;        // the request being read is answered; its body is not wanted
};

}  // namespace weir::net

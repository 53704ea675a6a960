// One POST of many reports: NDJSON in, NDJSON out, a line for a line, in order.
//
// Lines are taken as they come and answered as they become durable; at most
// IntakeOptions::lines_waiting_max are between the two, then the socket is not read. A client must
// therefore read while it sends, once a batch is longer than that.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace weir::epro {

struct Answer;

class Batch final : public net::BodyReader {
 public:
  struct Host {
    net::Loop& loop;
    size_t line_bytes_max;
    size_t lines_waiting_max;
    // Takes one line's report; Batch::Answered(line, …) follows, in this call or later.
    std::function<void(std::string_view body, uint64_t line)> take;
    std::function<Answer(size_t line_bytes_max)> too_long;
    std::function<void()> finished;  // nothing refers to the batch any more
  };

  Batch(net::Ticket ticket, Host host);

  bool OnBody(std::string_view bytes) override;
  void OnEnd() override;
  void OnAbort() override;

  void Answered(uint64_t line, const Answer& answer);

 private:
  void TakeLine(std::string_view line);
  void Flush();
  void FinishIfDone();
  bool Full() const { return waiting_.size() >= host_.lines_waiting_max || blocked_; }

  const net::Ticket ticket_;
  const Host host_;
  std::string partial_;
  bool skipping_ = false;  // the rest of a line that is too long
  uint64_t line_ = 0;      // lines seen, blank ones too: the number of an editor
  struct Waiting {
    uint64_t line;
    std::optional<std::string> out;
  };
  std::deque<Waiting> waiting_;
  net::BodyWriter* writer_ = nullptr;
  size_t unanswered_ = 0;
  bool blocked_ = false;  // the client does not read fast enough
  bool paused_ = false;   // OnBody returned false
  bool ended_ = false;    // the request's body is complete
  bool gone_ = false;     // the client went away
  bool finished_ = false;
};

}  // namespace weir::epro

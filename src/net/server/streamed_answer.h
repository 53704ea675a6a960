// A BodyWriter on its way: writes into the connection's output when its turn has come, and into
// memory of its own while earlier requests of the connection are still unanswered.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "net/http.h"
#include "net/server/response_head.h"

namespace weir::net {

class StreamedAnswer;

// Where the bytes of a StreamedAnswer go: the connection, or a stream of it.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  virtual std::string& OutputOf(StreamedAnswer& answer) = 0;
  virtual size_t PendingOf(StreamedAnswer& answer) = 0;
  virtual size_t bytes_max() const = 0;
  virtual void Touched() = 0;
  virtual void Ended(StreamedAnswer& answer) = 0;
  virtual void Aborted(StreamedAnswer& answer) = 0;
};

class StreamedAnswer final : public BodyWriter {
 public:
  // `bodiless`: an answer to HEAD, of which only the header is sent. `endless`: a stream of events,
  // which the server ends when it stops.
  StreamedAnswer(AnswerSink* queue, Framing framing, bool bodiless, bool endless)
      : queue_(queue), framing_(framing), bodiless_(bodiless), endless_(endless) {}

  bool Write(std::string_view bytes) override;
  void End() override;
  void Abort() override;
  void OnDrained(std::function<void()> drained) override;
  void OnClosed(std::function<void(bool complete)> closed) override;
  bool has_body() const override { return !bodiless_; }

  bool ended() const { return ended_; }
  bool aborted() const { return aborted_; }
  bool full() const { return full_; }
  bool endless() const { return endless_; }
  Framing framing() const { return framing_; }
  std::string& waiting() { return waiting_; }

  void Detach() { queue_ = nullptr; }  // the connection is gone, or everything has been queued
  void CallDrained();
  void CallClosed(bool complete);

 private:
  AnswerSink* queue_;
  const Framing framing_;
  const bool bodiless_;
  const bool endless_;
  bool ended_ = false;
  bool aborted_ = false;
  bool full_ = false;
  bool drained_replaced_ = false;
  std::string waiting_;  // header and body, until it is this answer's turn
  std::function<void()> drained_;
  std::function<void(bool)> closed_;
};

}  // namespace weir::net

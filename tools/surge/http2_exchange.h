// Many requests at a time over HTTP/2 (RFC 9113), all with the same header.
//
// Written by hand because it is to cost less than the server that it loads: a request is a header
// block of a few bytes and its body, copied once. What the peer asks for is respected: its limits
// on streams, windows and frames, and its notice that it goes away; nothing is pushed to us. Our
// own windows are so large that they are opened again every half gigabyte.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/surge/exchange.h"
#include "tools/surge/http2_answer_heads.h"
#include "tools/surge/http2_frame.h"
#include "tools/surge/http2_head.h"

namespace weir::surge {

class Http2Exchange final : public Exchange {
 public:
  // At most `streams` at once. `head` is that of every request.
  Http2Exchange(std::shared_ptr<const Http2Head> head, unsigned streams);

  void Begin(std::string& out) override;
  bool begun() const override { return settled_; }
  unsigned room() const override;
  unsigned in_flight() const override { return in_flight_; }
  int64_t oldest_sent_ns() const override;
  void Send(const Outgoing& request, int64_t now_ns, std::string& out) override;
  Verdict Receive(std::string_view bytes, bool all_sent, Owner& owner, std::string& out) override;
  void Abandon(Owner& owner) override;
  std::string_view error() const override { return error_; }

 private:
  struct Stream {
    Sent sent;
    int64_t window = 0;  // what the peer takes of the body now
    std::string rest;    // of the body, which the windows hold back
    Http2AnswerHeads::Head head;
    std::string body;  // of the answer, what came before its last frame
  };

  Verdict ReceiveFrames(std::string_view bytes);
  Verdict OnFrame(const Frame& frame);
  Verdict OnSettings(const Frame& frame);
  Verdict OnSetting(uint16_t id, uint32_t value);
  Verdict OnHeaders(const Frame& frame);
  Verdict OnContinuation(const Frame& frame);
  Verdict OnHeaderBlock(int32_t id, bool ended, std::string_view block);
  Verdict OnData(const Frame& frame);
  Verdict OnReset(const Frame& frame);
  Verdict OnGoAway(const Frame& frame);
  Verdict OnWindowUpdate(const Frame& frame);
  Verdict Wrong(std::string_view what);

  static constexpr size_t kNowhere = SIZE_MAX;
  size_t PlaceOf(int32_t id);
  void AnswerWith(size_t place, std::string_view body);
  void Lose(size_t place, Why why);
  Sent Release(size_t place);
  std::string_view NextHead();
  size_t AppendBody(size_t place, std::string_view body, std::string& out);
  void SendHeldBack();

  const std::shared_ptr<const Http2Head> head_;
  // Places of streams, and whose they are; 0: nobody's.
  std::vector<Stream> streams_;
  std::vector<int32_t> ids_;
  std::vector<uint32_t> free_;
  size_t last_place_ = 0;  // answers mostly come in the order of their requests
  unsigned in_flight_ = 0;
  unsigned held_back_ = 0;  // streams with a rest
  int32_t next_id_ = 1;

  // What the peer has asked for (RFC 9113, section 6.5.2).
  bool settled_ = false;
  uint32_t streams_max_ = UINT32_MAX;
  int64_t stream_window_ = 65'535;
  int64_t window_ = 65'535;  // of the connection
  size_t frame_bytes_max_ = kFrameBytesMax;
  size_t table_bytes_ = Http2Head::kTableBytes;
  bool table_changed_ = false;
  enum class Table { kEmpty, kFilled, kUnused } table_ = Table::kEmpty;
  bool going_away_ = false;

  // Of the call that is under way.
  Owner* owner_ = nullptr;
  std::string* out_ = nullptr;

  Http2AnswerHeads heads_;
  std::string partial_;  // of a frame
  // A header that goes on in further frames.
  int32_t block_id_ = 0;  // 0: there is none
  bool block_ends_ = false;
  std::string block_;
  uint64_t taken_ = 0;  // of our window of the connection, since it was last opened
  std::string error_;
};

}  // namespace weir::surge

// What nghttp2 tells an Http2Session.
#include <algorithm>

#include "base/check.h"
#include "net/server/http2_session.h"
#include "net/server/http2_stream.h"

namespace weir::net {
namespace {

// Window updates with which a client may answer what it was sent without being counted. It opens
// two windows, the stream's and the connection's: for each DATA frame at the most eager, or by so
// many bytes as it reads at once (Go's client: 4 KiB).
constexpr uint64_t kUpdatesPerData = 2;
constexpr uint64_t kBytesPerUpdate = 1024;
// A header of more than the limit is answered 431, and its rest is read past. Of one that is so
// many times as long nothing more is read: a reference of one byte to HPACK's dynamic table brings
// up to 4,000.
constexpr size_t kHeadersPerBomb = 4;

// A stream that had to be ended for what the client sent on it is as good as taken back by the
// client (CVE-2025-8671): what it asked for goes on here, and the stream no longer counts.
bool IsClientsFault(uint32_t code) {
  return code == NGHTTP2_PROTOCOL_ERROR || code == NGHTTP2_FLOW_CONTROL_ERROR ||
         code == NGHTTP2_STREAM_CLOSED || code == NGHTTP2_FRAME_SIZE_ERROR;
}

}  // namespace

struct Http2Session::Callbacks {
  static Http2Session& Of(void* user) { return *static_cast<Http2Session*>(user); }

  // A stream that the client passed over when it began a later one is closed for good (RFC 9113,
  // section 5.1.1), which nghttp2 does not tell from one that has ended.
  static int BeginFrame(nghttp2_session*, const nghttp2_frame_hd* head, void* user) {
    Http2Session& self = Of(user);
    const int32_t id = head->stream_id;
    const bool passed_over = self.streams_begun_ < self.newest_stream_ / 2 + 1;
    if (head->type == NGHTTP2_HEADERS && id % 2 == 1 && id < self.newest_stream_ && passed_over &&
        !self.Find(id)) {
      self.End(NGHTTP2_PROTOCOL_ERROR);
    }
    return 0;
  }
  static int BeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& self = Of(user);
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    self.header_since_ns_ = self.host_.now_ns;
    self.header_bytes_ = 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    self.newest_stream_ = std::max(self.newest_stream_, frame->hd.stream_id);
    ++self.streams_begun_;
    self.streams_.push_back(std::make_unique<Stream>(self, frame->hd.stream_id));
    nghttp2_session_set_stream_user_data(self.session_, frame->hd.stream_id,
                                         self.streams_.back().get());
    return 0;
  }
  static int Header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                    void* user) {
    Http2Session& self = Of(user);
    self.header_bytes_ += name_size + value_size;
    if (self.header_bytes_ > kHeadersPerBomb * self.host_.limits.header_bytes_max) {
      self.End(NGHTTP2_ENHANCE_YOUR_CALM);
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    Stream* const stream = self.Find(frame->hd.stream_id);
    if (!stream || stream->begun) return 0;  // trailers are read past
    self.OnHeader(*stream, {reinterpret_cast<const char*>(name), name_size},
                  {reinterpret_cast<const char*>(value), value_size});
    return 0;
  }
  static int FrameReceived(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& self = Of(user);
    const bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        self.header_since_ns_ = kNone;
        break;
      case NGHTTP2_DATA:
        if (frame->hd.length <= frame->data.padlen && !ended) self.CountIdleFrame();
        break;
      case NGHTTP2_RST_STREAM:
        self.CountReset();
        return 0;
      case NGHTTP2_WINDOW_UPDATE:
        if (self.updates_due_ > 0) {
          --self.updates_due_;
        } else {
          self.CountIdleFrame();
        }
        return 0;
      default:
        self.CountIdleFrame();
        return 0;
    }
    Stream* const stream = self.Find(frame->hd.stream_id);
    if (!stream) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !stream->begun) {
      self.BeginRequest(*stream, ended);
    } else if (ended) {
      stream->request_ended = true;
      self.EndBody(*stream);
    }
    return 0;
  }
  static int Data(nghttp2_session*, uint8_t, int32_t stream_id, const uint8_t* data, size_t size,
                  void* user) {
    Http2Session& self = Of(user);
    nghttp2_session_consume_connection(self.session_, size);
    if (Stream* stream = self.Find(stream_id)) {
      self.OnData(*stream, {reinterpret_cast<const char*>(data), size});
    }
    return 0;
  }
  static int FrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_RST_STREAM && IsClientsFault(frame->rst_stream.error_code)) {
      Of(user).CountReset();
    }
    if (frame->hd.type == NGHTTP2_DATA) {
      Of(user).updates_due_ += kUpdatesPerData + frame->hd.length / kBytesPerUpdate;
    }
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!carries || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    if (Stream* stream = Of(user).Find(frame->hd.stream_id)) {
      stream->sent_ns = Of(user).host_.now_ns;
    }
    return 0;
  }
  static int StreamClosed(nghttp2_session*, int32_t stream_id, uint32_t, void* user) {
    if (Stream* stream = Of(user).Find(stream_id)) Of(user).OnStreamClosed(*stream);
    return 0;
  }
};

ssize_t Http2Session::ReadAnswer(nghttp2_session*, int32_t, uint8_t* to, size_t size,
                                 uint32_t* flags, nghttp2_data_source* source, void* user) {
  Http2Session& self = *static_cast<Http2Session*>(user);
  Stream& stream = *static_cast<Stream*>(source->ptr);
  const size_t taken = stream.out.copy(reinterpret_cast<char*>(to), size, stream.framed);
  stream.framed += taken;
  self.progress_ns_ = self.host_.now_ns;
  self.Count(stream);
  if (stream.unframed() == 0) {
    stream.out.clear();
    stream.framed = 0;
    if (stream.out_complete) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (taken == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
  }
  return static_cast<ssize_t>(taken);
}

nghttp2_session_callbacks* Http2Session::AllCallbacks() {
  static nghttp2_session_callbacks* const all = [] {
    nghttp2_session_callbacks* made = nullptr;
    WEIR_CHECK(nghttp2_session_callbacks_new(&made) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, Callbacks::BeginFrame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, Callbacks::BeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback(made, Callbacks::Header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, Callbacks::FrameReceived);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Callbacks::Data);
    nghttp2_session_callbacks_set_on_frame_send_callback(made, Callbacks::FrameSent);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, Callbacks::StreamClosed);
    return made;
  }();
  return all;
}

}  // namespace weir::net

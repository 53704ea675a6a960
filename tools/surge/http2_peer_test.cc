#include "tools/surge/http2_peer.h"

#include <utility>

namespace weir::surge {
namespace {

nghttp2_nv Field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

struct Http2Peer::Callbacks {
  static Http2Peer& Of(void* user) { return *static_cast<Http2Peer*>(user); }
  static int Header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                    void* user) {
    Request& request = Of(user).requests_[frame->hd.stream_id];
    request.stream = frame->hd.stream_id;
    request.fields[std::string(reinterpret_cast<const char*>(name), name_size)] =
        std::string(reinterpret_cast<const char*>(value), value_size);
    return 0;
  }
  static int Data(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size,
                  void* user) {
    Of(user).requests_[stream].body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int FrameReceived(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Peer& self = Of(user);
    const bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK) {
      ++self.pings_answered_;
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM) ++self.resets_;
    if (frame->hd.type == NGHTTP2_GOAWAY) self.failed_ |= frame->goaway.error_code != 0;
    if (carries && frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
      self.on_request_(self.requests_[frame->hd.stream_id]);
    }
    return 0;
  }
  static int Invalid(nghttp2_session*, const nghttp2_frame*, int, void* user) {
    Of(user).failed_ = true;
    return 0;
  }
  static int Closed(nghttp2_session*, int32_t stream, uint32_t, void* user) {
    Of(user).requests_.erase(stream);
    Of(user).bodies_.erase(stream);
    Of(user).trailers_.erase(stream);
    return 0;
  }
  static ssize_t ReadBody(nghttp2_session* session, int32_t stream, uint8_t* to, size_t size,
                          uint32_t* flags, nghttp2_data_source*, void* user) {
    std::string& body = Of(user).bodies_[stream];
    const size_t taken = body.copy(reinterpret_cast<char*>(to), size);
    body.erase(0, taken);
    if (!body.empty()) return static_cast<ssize_t>(taken);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (Of(user).trailers_.contains(stream)) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const nghttp2_nv field = Field("checksum", "0");
      nghttp2_submit_trailer(session, stream, &field, 1);
    }
    return static_cast<ssize_t>(taken);
  }
};

Http2Peer::Http2Peer(const std::vector<nghttp2_settings_entry>& settings,
                     std::function<void(const Request&)> on_request)
    : on_request_(std::move(on_request)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::Header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::Data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::FrameReceived);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, Callbacks::Invalid);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::Closed);
  nghttp2_session_server_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  Settings(settings);
}

Http2Peer::~Http2Peer() { nghttp2_session_del(session_); }

bool Http2Peer::Receive(std::string_view bytes) {
  const ssize_t read = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return read == static_cast<ssize_t>(bytes.size()) && !failed_;
}

std::string Http2Peer::Output() {
  std::string out;
  const uint8_t* bytes = nullptr;
  for (ssize_t size = nghttp2_session_mem_send(session_, &bytes); size > 0;
       size = nghttp2_session_mem_send(session_, &bytes)) {
    out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  }
  return out;
}

void Http2Peer::Answer(int32_t stream, const Reply& reply) {
  if (reply.informed_first) {
    const nghttp2_nv status = Field(":status", "103");
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream, nullptr, &status, 1, nullptr);
  }
  const std::string status = std::to_string(reply.status);
  std::vector<nghttp2_nv> fields{Field(":status", status), Field("server", "peer")};
  if (!reply.retry_after.empty()) fields.push_back(Field("retry-after", reply.retry_after));
  bodies_[stream] = reply.body;
  if (reply.trailers) trailers_[stream] = true;
  const nghttp2_data_provider provider{{.ptr = nullptr}, Callbacks::ReadBody};
  const bool bodiless = reply.body.empty() && !reply.trailers;
  nghttp2_submit_response(session_, stream, fields.data(), fields.size(),
                          bodiless ? nullptr : &provider);
}

void Http2Peer::Reset(int32_t stream, uint32_t code) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, code);
}

void Http2Peer::GoAway(int32_t last, uint32_t code) {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last, code, nullptr, 0);
}

void Http2Peer::Settings(const std::vector<nghttp2_settings_entry>& settings) {
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
}

void Http2Peer::Ping() { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }

void Http2Peer::OpenWindow(int32_t stream, int32_t bytes) {
  nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, stream, bytes);
}

}  // namespace weir::surge

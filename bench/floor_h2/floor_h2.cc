// The floor of HTTP/2: what a POST and its answer cost on this machine when nghttp2 speaks for both
// and nothing else is done.
//
// One thread per core, each with a listening socket of its own (SO_REUSEPORT) and an epoll loop, as
// in bench/floor: what was received goes to nghttp2 with the fewest callbacks there can be, each
// stream that has ended gets one fixed answer, and the frames of a turn leave in one send. No
// routing, no validation, no disk.
//
//   bench_floor_h2 [--port P] [--threads N] [--answer FILE]
//
// The header fields and the body of the HTTP/1.1 answer are sent over HTTP/2: cleartext, with prior
// knowledge.
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "bench/floor_program/floor_program.h"

namespace {

using weir::bench::AcceptOne;

constexpr size_t kBufferBytes = 64u << 10;
constexpr int kEventsMax = 512;
constexpr int32_t kConnectionWindowBytes = 1 << 20;  // the server's
constexpr uint32_t kStreamsMax = 100;                // the server's default

// The one answer, as nghttp2 wants it.
class Answer {
 public:
  explicit Answer(const std::string& http1) {
    const size_t head = http1.find("\r\n\r\n");
    if (head == std::string::npos || !http1.starts_with("HTTP/1.1 ")) {
      std::fprintf(stderr, "the answer is not one of HTTP/1.1\n");
      std::exit(1);
    }
    body_ = http1.substr(head + 4);
    Add(":status", http1.substr(9, 3));
    for (size_t at = http1.find("\r\n") + 2; at < head + 2;) {
      const size_t end = http1.find("\r\n", at);
      const size_t colon = http1.find(": ", at);
      if (colon >= end) break;
      std::string name = http1.substr(at, colon - at);
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      if (name != "connection") Add(std::move(name), http1.substr(colon + 2, end - colon - 2));
      at = end + 2;
    }
  }

  const std::vector<nghttp2_nv>& fields() const { return fields_; }
  const std::string& body() const { return body_; }

 private:
  void Add(std::string name, std::string value) {
    const auto bytes = [](std::string& text) { return reinterpret_cast<uint8_t*>(text.data()); };
    std::string& kept_name = texts_.emplace_back(std::move(name));
    std::string& kept_value = texts_.emplace_back(std::move(value));
    fields_.push_back({bytes(kept_name), bytes(kept_value), kept_name.size(), kept_value.size(),
                       NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE});
  }

  std::deque<std::string> texts_;
  std::vector<nghttp2_nv> fields_;
  std::string body_;
};

class Connection {
 public:
  Connection(int fd, const Answer& answer) : fd_(fd), answer_(answer) {
    nghttp2_session_server_new(&session_, AllCallbacks(), this);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kStreamsMax}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
  }
  ~Connection() {
    nghttp2_session_del(session_);
    close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }

  // False: the connection is over. `out` is scratch.
  bool Serve(char* buffer, std::string& out) {
    const ssize_t got = recv(fd_, buffer, kBufferBytes, 0);
    if (got < 0 && errno == EAGAIN) return true;
    if (got <= 0) return false;
    if (nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(buffer),
                                 static_cast<size_t>(got)) != got) {
      return false;
    }
    out.clear();
    const uint8_t* frames = nullptr;
    for (ssize_t size = nghttp2_session_mem_send(session_, &frames); size > 0;
         size = nghttp2_session_mem_send(session_, &frames)) {
      out.append(reinterpret_cast<const char*>(frames), static_cast<size_t>(size));
    }
    // A client that does not read is none to measure.
    return out.empty() ||
           send(fd_, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size());
  }

 private:
  static int FrameReceived(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || frame->hd.stream_id == 0) return 0;
    Connection& self = *static_cast<Connection*>(user);
    const nghttp2_data_provider provider{{.ptr = nullptr}, ReadBody};
    nghttp2_submit_response(session, frame->hd.stream_id, self.answer_.fields().data(),
                            self.answer_.fields().size(), &provider);
    return 0;
  }
  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* to, size_t size, uint32_t* flags,
                          nghttp2_data_source*, void* user) {
    const std::string& body = static_cast<Connection*>(user)->answer_.body();
    if (body.size() > size) return NGHTTP2_ERR_CALLBACK_FAILURE;
    body.copy(reinterpret_cast<char*>(to), size);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(body.size());
  }
  static nghttp2_session_callbacks* AllCallbacks() {
    static nghttp2_session_callbacks* const all = [] {
      nghttp2_session_callbacks* made = nullptr;
      nghttp2_session_callbacks_new(&made);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, FrameReceived);
      return made;
    }();
    return all;
  }

  const int fd_;
  const Answer& answer_;
  nghttp2_session* session_ = nullptr;
};

class Loop {
 public:
  Loop(int listener, const Answer& answer)
      : listener_(listener), answer_(answer), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    Watch(listener_, nullptr);
  }

  void Run() {
    epoll_event events[kEventsMax];
    while (true) {
      const int count = epoll_wait(epoll_, events, kEventsMax, -1);
      for (int i = 0; i < count; ++i) {
        auto* const connection = static_cast<Connection*>(events[i].data.ptr);
        if (!connection) {
          Accept();
        } else if (!connection->Serve(buffer_, out_)) {
          delete connection;
        }
      }
    }
  }

 private:
  void Watch(int fd, Connection* connection) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void Accept() {
    for (int fd = AcceptOne(listener_); fd >= 0; fd = AcceptOne(listener_)) {
      Watch(fd, new Connection(fd, answer_));  // ended by Run()
    }
  }

  const int listener_;
  const Answer& answer_;
  const int epoll_;
  std::string out_;
  char buffer_[kBufferBytes];
};

}  // namespace

int main(int argc, char** argv) {
  return weir::bench::RunFloor(argc, argv, [](const std::string& http1) {
    return [answer = std::make_shared<const Answer>(http1)](int listener) {
      std::make_unique<Loop>(listener, *answer)->Run();
    };
  });
}

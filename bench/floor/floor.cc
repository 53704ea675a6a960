// The floor: what a POST and its answer cost on this machine when nothing else is done.
//
// One thread per core, each with a listening socket of its own (SO_REUSEPORT) and an epoll loop:
// read, find the end of the request by its Content-Length, send one fixed answer. No routing, no
// validation, no disk. A server that does its work in the time left is measured as a ratio to this.
//
//   bench_floor [--port P] [--threads N] [--answer FILE]
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bench/floor_program/floor_program.h"

namespace {

using weir::bench::AcceptOne;

constexpr size_t kBufferBytes = 64u << 10;
constexpr int kEventsMax = 512;
constexpr size_t kRequestBytesMax = 1u << 20;

// The length of the request at the start of `bytes`; 0: it is not complete.
size_t RequestBytes(std::string_view bytes) {
  constexpr std::string_view kLength = "Content-Length: ";
  const void* const end = memmem(bytes.data(), bytes.size(), "\r\n\r\n", 4);
  if (!end) return 0;
  const size_t head = static_cast<size_t>(static_cast<const char*>(end) - bytes.data()) + 4;
  const void* const length = memmem(bytes.data(), head, kLength.data(), kLength.size());
  const size_t body =
      length ? std::strtoul(static_cast<const char*>(length) + kLength.size(), nullptr, 10) : 0;
  return bytes.size() >= head + body ? head + body : 0;
}

class Loop {
 public:
  Loop(int listener, std::string_view answer)
      : listener_(listener), answer_(answer), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    Watch(listener_);
  }

  void Run() {
    epoll_event events[kEventsMax];
    while (true) {
      const int count = epoll_wait(epoll_, events, kEventsMax, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.fd == listener_) {
          Accept();
        } else {
          Serve(events[i].data.fd);
        }
      }
    }
  }

 private:
  void Watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void Accept() {
    for (int fd = AcceptOne(listener_); fd >= 0; fd = AcceptOne(listener_)) Watch(fd);
  }

  void Serve(int fd) {
    const ssize_t got = recv(fd, buffer_, sizeof buffer_, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return Close(fd);
    std::string_view bytes(buffer_, static_cast<size_t>(got));
    const auto partial = partial_.empty() ? partial_.end() : partial_.find(fd);
    if (partial != partial_.end()) bytes = partial->second.append(bytes);
    size_t used = 0;
    while (const size_t request = RequestBytes(bytes.substr(used))) {
      used += request;
      if (send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(answer_.size())) {
        return Close(fd);  // a client that does not read is none to measure
      }
    }
    if (used == bytes.size()) {
      if (partial != partial_.end()) partial_.erase(partial);
    } else if (bytes.size() - used > kRequestBytesMax) {
      Close(fd);
    } else {
      partial_[fd] = std::string(bytes.substr(used));
    }
  }

  void Close(int fd) {
    partial_.erase(fd);
    close(fd);
  }

  const int listener_;
  const std::string_view answer_;
  const int epoll_;
  std::unordered_map<int, std::string> partial_;  // requests that came in pieces
  char buffer_[kBufferBytes];
};

}  // namespace

int main(int argc, char** argv) {
  return weir::bench::RunFloor(argc, argv, [](const std::string& answer) {
    return [&answer](int listener) { std::make_unique<Loop>(listener, answer)->Run(); };
  });
}

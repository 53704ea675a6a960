// The floor: what a POST and its answer cost on this machine when nothing else is done.
//
// One thread per core, each with a listening socket of its own (SO_REUSEPORT) and an epoll loop:
// read, find the end of the request by its Content-Length, send one fixed answer. No routing, no
// validation, no disk. A server that does its work in the time left is measured as a ratio to this.
//
//   bench_floor [--port P] [--threads N] [--answer FILE]
//
// FILE holds the bytes of an answer; without it a receipt like the server's is sent.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

constexpr size_t kBufferBytes = 64u << 10;
constexpr int kEventsMax = 512;
constexpr size_t kRequestBytesMax = 1u << 20;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::string DefaultAnswer() {
  const std::string body =
      "{\"message\":\"Report received and queued for processing.\","
      "\"report_id\":\"00000000000000000000000000000000\","
      "\"received_at\":\"2026-01-01T00:00:00.000Z\",\"receipt\":{\"offset\":1000000,\"sha256\":\"" +
      std::string(64, '0') + "\"}}";
  return "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

int Listen(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Fail("bind");
  if (listen(fd, 4096) != 0) Fail("listen");
  return fd;
}

uint16_t PortOf(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

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
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      Watch(fd);
    }
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
  uint16_t port = 0;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::string answer = DefaultAnswer();
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--port") {
      port = static_cast<uint16_t>(std::atoi(argv[i + 1]));
    } else if (name == "--threads") {
      threads = static_cast<unsigned>(std::max(1, std::atoi(argv[i + 1])));
    } else if (name == "--answer") {
      std::ifstream file(argv[i + 1], std::ios::binary);
      answer.assign(std::istreambuf_iterator<char>(file), {});
      if (answer.empty()) Fail(argv[i + 1]);
    } else {
      std::fprintf(stderr, "usage: bench_floor [--port P] [--threads N] [--answer FILE]\n");
      return 2;
    }
  }
  std::vector<std::thread> loops;
  for (unsigned i = 0; i < threads; ++i) {
    const int listener = Listen(port);
    port = PortOf(listener);
    loops.emplace_back([listener, &answer] {
      const auto loop = std::make_unique<Loop>(listener, answer);
      loop->Run();
    });
  }
  std::printf("listening on 127.0.0.1:%u, %u threads, answers of %zu bytes\n", port, threads,
              answer.size());
  std::fflush(stdout);
  for (std::thread& loop : loops) loop.join();
}

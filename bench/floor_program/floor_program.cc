#include "bench/floor_program/floor_program.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>
#include <thread>
#include <vector>

namespace weir::bench {
namespace {

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

}  // namespace

int AcceptOne(int listener) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int RunFloor(int argc, char** argv, const std::function<FloorLoop(const std::string&)>& loop_for) {
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
      std::fprintf(stderr, "usage: %s [--port P] [--threads N] [--answer FILE]\n", argv[0]);
      return 2;
    }
  }
  const FloorLoop loop = loop_for(answer);
  std::vector<std::thread> running;
  for (unsigned i = 0; i < threads; ++i) {
    const int listener = Listen(port);
    port = PortOf(listener);
    running.emplace_back([listener, &loop] { loop(listener); });
  }
  std::printf("listening on 127.0.0.1:%u, %u threads, answers of %zu bytes\n", port, threads,
              answer.size());
  std::fflush(stdout);
  for (std::thread& thread : running) thread.join();
  return 0;
}

}  // namespace weir::bench

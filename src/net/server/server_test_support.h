// For the server's tests: a handler made of functions, a client that speaks bytes, and a loop
// without sockets in which time stands still.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "net/http.h"
#include "net/server.h"
#include "net/server/event_loop.h"
#include "net/server/tls_transport.h"
#include "net/server/uring_queue.h"
#include "testing/disk/virtual_clock.h"
#include "testing/http/tls_identity.h"
#include "testing/net/scripted_transport.h"

namespace weir::net {

// Long enough for a loaded machine; a test that passes never waits for it.
inline constexpr int kPatienceMs = 30'000;

struct FunctionHandler final : Handler {
  std::function<Decision(Loop&, const Request&)> on_headers;
  std::function<void(Loop&, const Request&)> on_request;
  std::function<void(Loop&)> on_turn_end;
  std::function<void(Loop&)> on_idle;
  std::function<void(Mark, int)> on_answered;
  std::function<void(int64_t)> on_lag;
  bool keeps = false;  // what a turn gathered, until the loop is idle

  Decision OnHeaders(Loop& loop, const Request& request) override {
    return on_headers ? on_headers(loop, request) : Decision{};
  }
  void OnRequest(Loop& loop, const Request& request) override {
    if (on_request) return on_request(loop, request);
    // Says back what it was told.
    std::string body(Name(request.method));
    body.append(" ").append(request.path).append("?").append(request.query).append(" ");
    body.append(request.body);
    loop.Respond(request.ticket, {.content_type = "text/plain", .body = body});
  }
  bool OnTurnEnd(Loop& loop) override {
    if (on_turn_end) on_turn_end(loop);
    return keeps;
  }
  void OnIdle(Loop& loop) override {
    if (on_idle) on_idle(loop);
  }
  void OnAnswered(Loop&, Mark mark, int status) override {
    if (on_answered) on_answered(mark, status);
  }
  void OnLag(Loop&, int64_t lag_ns) override {
    if (on_lag) on_lag(lag_ns);
  }
  std::string Problem(int status, std::string_view detail) override {
    return "{\"status\":" + std::to_string(status) + ",\"detail\":\"" + std::string(detail) + "\"}";
  }
};

using Configure = std::function<void(FunctionHandler&, Loop&)>;

inline std::unique_ptr<Server> StartServer(ServerOptions options, Configure configure = {}) {
  options.port = 0;
  if (options.loops == 0) options.loops = 1;
  auto server = Server::Start(options, [&](Loop& loop) {
    auto handler = std::make_unique<FunctionHandler>();
    if (configure) configure(*handler, loop);
    return handler;
  });
  EXPECT_TRUE(server.has_value()) << server.error().message;
  return std::move(*server);
}

// A server's certificate, made for this process, in files that live as long as this does.
class CertificateFiles {
 public:
  CertificateFiles()
      : directory_(std::filesystem::path(::testing::TempDir()) /
                   ("weir-tls-" + std::to_string(getpid()) + "-" + std::to_string(++made_))) {
    std::filesystem::create_directories(directory_);
    Write(testing::TlsIdentity());
  }
  ~CertificateFiles() { std::filesystem::remove_all(directory_); }
  void Write(const testing::TlsIdentity& identity) {
    std::ofstream(cert()) << identity.certificate_pem();
    std::ofstream(key()) << identity.key_pem();
  }
  std::string cert() const { return directory_ / "cert.pem"; }
  std::string key() const { return directory_ / "key.pem"; }

 private:
  inline static int made_ = 0;
  std::filesystem::path directory_;
};

inline std::shared_ptr<TlsContext> LoadTls(const CertificateFiles& files, TlsOptions options = {}) {
  options.cert_file = files.cert();
  options.key_file = files.key();
  auto context = TlsContext::Load(options, base::SystemClock());
  EXPECT_TRUE(context.has_value()) << context.error().message;
  return std::move(*context);
}

struct Sockets {
  TransportKind kind = TransportKind::kEpoll;
  bool tls = false;
};

// Whether a test's Client speaks TLS.
inline bool clients_speak_tls = false;

// A suite of tests that each run on each transport.
class OnEveryTransport : public ::testing::TestWithParam<Sockets> {
 protected:
  void SetUp() override {
    clients_speak_tls = GetParam().tls;
    if (GetParam().kind != TransportKind::kUring) return;
    const base::Status works = ProbeUring();
    if (!works) GTEST_SKIP() << "io_uring does not work here: " << works.error().message;
  }
  void TearDown() override { clients_speak_tls = false; }
  std::unique_ptr<Server> Start(ServerOptions options = {}, Configure configure = {}) const {
    static const CertificateFiles files;
    options.transport = GetParam().kind;
    if (GetParam().tls && !options.tls) options.tls = LoadTls(files);
    return StartServer(std::move(options), std::move(configure));
  }
};

inline auto EveryTransport() {
  return ::testing::Values(Sockets{TransportKind::kEpoll}, Sockets{TransportKind::kUring});
}
inline auto EveryTransportAndTls() {
  return ::testing::Values(Sockets{TransportKind::kEpoll}, Sockets{TransportKind::kUring},
                           Sockets{TransportKind::kEpoll, true},
                           Sockets{TransportKind::kUring, true});
}
inline std::string TransportName(const ::testing::TestParamInfo<Sockets>& info) {
  return std::string(Name(info.param.kind)) + (info.param.tls ? "_tls" : "");
}

// A value that another thread sets and a test waits for.
template <class T>
class Awaited {
 public:
  void Set(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    changed_.notify_all();
  }
  template <class Change>
  void Update(Change change) {
    const std::lock_guard lock(mutex_);
    change(value_);
    changed_.notify_all();
  }
  T Get() {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  template <class Condition>
  bool WaitFor(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs),
                             [&] { return condition(value_); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  T value_{};
};

struct Answer {
  int status = 0;  // 0: the connection ended before an answer
  std::map<std::string, std::string> headers;
  std::string body;
  bool broken = false;  // it ended within the answer
};

// One connection to 127.0.0.1. Everything waits at most kPatienceMs.
class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer_bytes = 0)
      : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer_bytes > 0) {
      setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof receive_buffer_bytes);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const int on = 1;
    setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connected_ && clients_speak_tls) ShakeHands();
  }
  ~Client() { Close(); }
  Client(Client&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)),
        ssl_(std::exchange(other.ssl_, nullptr)),
        connected_(other.connected_),
        received_(std::move(other.received_)) {}
  Client(const Client&) = delete;

  bool connected() const { return connected_; }
  int descriptor() const { return descriptor_; }

  // False: the server does not take it any more.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = SendSome(bytes, 0);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // `piece` again and again, until the connection takes no more for `quiet_ms`. The bytes sent.
  size_t SendUntilStuck(std::string_view piece, size_t bytes_max, int quiet_ms) {
    size_t total = 0;
    while (total < bytes_max && Ready(POLLOUT, quiet_ms)) {
      const std::string_view rest = piece.substr(total % piece.size());
      const ssize_t sent = SendSome(rest, MSG_DONTWAIT);
      if (sent < 0 && errno != EAGAIN) {
        reset_ = true;  // told once, and not again by recv()
        break;
      }
      if (sent > 0) total += static_cast<size_t>(sent);
    }
    return total;
  }
  void Finish() {
    if (ssl_) SSL_shutdown(ssl_);
    shutdown(descriptor_, SHUT_WR);
  }
  void Close() {
    SSL_free(std::exchange(ssl_, nullptr));
    if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
  }

  // The next answer. `to_head`: to a HEAD request, which has no body.
  Answer Read(bool to_head = false) {
    Answer answer;
    size_t end;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!Receive()) return answer;
    }
    const std::string head = received_.substr(0, end + 2);
    received_.erase(0, end + 4);
    answer.status = std::atoi(head.substr(9, 3).c_str());
    for (size_t at = head.find("\r\n") + 2; at < head.size();) {
      const size_t line_end = head.find("\r\n", at);
      const std::string line = head.substr(at, line_end - at);
      const size_t colon = line.find(": ");
      answer.headers[line.substr(0, colon)] = line.substr(colon + 2);
      at = line_end + 2;
    }
    if (answer.status / 100 == 1 || answer.status == 204 || to_head) return answer;
    if (answer.headers.contains("Content-Length")) {
      answer.broken = !Take(std::stoul(answer.headers["Content-Length"]), &answer.body);
    } else if (answer.headers.contains("Transfer-Encoding")) {
      answer.broken = !TakeChunks(&answer.body);
    } else {
      while (Receive()) {
      }
      answer.broken = reset_;
      answer.body = std::exchange(received_, {});
    }
    return answer;
  }
  Answer Ask(std::string_view request) {
    Send(request);
    return Read();
  }
  // Waits for the end of the connection, and for nothing before it.
  bool AtEnd() { return received_.empty() && !Receive() && ended_; }
  bool reset() const { return reset_; }
  bool Silent(int ms) {
    if (!received_.empty()) return false;
    // Of TLS something may come that is not for us: tickets.
    while (Ready(POLLIN, ms)) {
      char byte;
      if (!ssl_ || SslReceive(&byte, 0) >= 0 || errno != EAGAIN) return false;
    }
    return true;
  }
  SSL* ssl() const { return ssl_; }
  const std::string& received() const { return received_; }

  // False: the end, or nothing came in time.
  bool Receive() {
    char buffer[64 << 10];
    ssize_t size;
    do {
      if (!Ready(POLLIN, kPatienceMs)) return false;
      size = ssl_ ? SslReceive(buffer, sizeof buffer) : recv(descriptor_, buffer, sizeof buffer, 0);
    } while (size < 0 && ssl_ && errno == EAGAIN);  // part of a record, or one not for us
    if (size > 0) {
      received_.append(buffer, static_cast<size_t>(size));
      return true;
    }
    ended_ = true;
    reset_ = reset_ || size < 0;
    return false;
  }

 private:
  // The peer's certificate is not looked at: tests of that have their own clients.
  void ShakeHands() {
    static SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, descriptor_);
    SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_connect(ssl_);
  }
  ssize_t SendSome(std::string_view bytes, int flags) {
    if (!ssl_) return send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | flags);
    if (flags & MSG_DONTWAIT) fcntl(descriptor_, F_SETFL, O_NONBLOCK);
    ERR_clear_error();
    const int sent = SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
    const int error = sent > 0 ? 0 : SSL_get_error(ssl_, sent);
    if (flags & MSG_DONTWAIT) fcntl(descriptor_, F_SETFL, 0);
    if (sent > 0) return sent;
    errno = error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
    return -1;
  }
  // As recv() would: 0 at the end, or −1 with errno; EAGAIN: only records that are not for us.
  ssize_t SslReceive(char* to, size_t size) {
    fcntl(descriptor_, F_SETFL, O_NONBLOCK);
    ERR_clear_error();
    const int got = size == 0 ? SSL_peek(ssl_, to, 1) : SSL_read(ssl_, to, static_cast<int>(size));
    const int error = got > 0 ? 0 : SSL_get_error(ssl_, got);
    fcntl(descriptor_, F_SETFL, 0);
    if (got > 0) return got;
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    errno = error == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
    return -1;
  }
  bool Ready(short what, int ms) {
    if (ssl_ && what == POLLIN && SSL_pending(ssl_) > 0) return true;
    pollfd watched{descriptor_, what, 0};
    return poll(&watched, 1, ms) > 0;
  }
  bool Take(size_t size, std::string* to) {
    while (received_.size() < size) {
      if (!Receive()) return false;
    }
    to->append(received_, 0, size);
    received_.erase(0, size);
    return true;
  }
  bool TakeChunks(std::string* to) {
    while (true) {
      size_t line;
      while ((line = received_.find("\r\n")) == std::string::npos) {
        if (!Receive()) return false;
      }
      const size_t size = std::stoul(received_.substr(0, line), nullptr, 16);
      received_.erase(0, line + 2);
      std::string end_of_line;
      if (!Take(size, to) || !Take(2, &end_of_line)) return false;
      if (size == 0) return true;
    }
  }

  int descriptor_;
  SSL* ssl_ = nullptr;
  bool connected_ = false;
  bool ended_ = false;
  bool reset_ = false;
  std::string received_;
};

inline std::string Get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n";
}
inline std::string Post(std::string_view path, std::string_view body,
                        std::string_view headers = {}) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

// A loop whose sockets and time are the test's.
class LoopHarness {
 public:
  explicit LoopHarness(const Limits& limits = {}, const Configure& configure = {},
                       const std::shared_ptr<TlsContext>& tls = {}) {
    auto scripted = std::make_unique<testing::ScriptedTransport>();
    transport_ = scripted.get();
    std::unique_ptr<Transport> transport = std::move(scripted);
    if (tls) transport = std::make_unique<TlsTransport>(std::move(transport), tls, clock_);
    loop_ = std::make_unique<EventLoop>(
        EventLoop::Options{.limits = limits, .memory = MemoryShares(limits, 1)},
        std::move(transport), clock_);
    auto handler = std::make_unique<FunctionHandler>();
    handler_ = handler.get();
    if (configure) configure(*handler, *loop_);
    loop_->SetHandler(std::move(handler));
    loop_->SetAcceptor([](EventLoop& here, int descriptor, std::string peer) {
      here.load().fetch_add(1);
      here.PlaceConnection(descriptor, std::move(peer));
    });
  }
  ~LoopHarness() { loop_->CloseAll(); }

  ConnectionId Connect() {
    transport_->Connect();
    Turn();
    return connections_++;
  }
  // Until nothing is left that could be done without waiting.
  void Turn() {
    do {
      loop_->Turn(0);
    } while (!transport_->idle() || loop_->busy());
  }
  void Receive(ConnectionId id, std::string_view bytes) {
    transport_->Deliver(id, bytes);
    Turn();
  }
  void PassMs(int64_t ms) {
    clock_.AdvanceMs(ms);
    Turn();
  }
  // What was sent since the last call.
  std::string Sent(ConnectionId id) { return std::exchange(transport_->at(id).sent, {}); }
  bool closed(ConnectionId id) { return transport_->at(id).closed; }

  testing::ScriptedTransport& transport() { return *transport_; }
  EventLoop& loop() { return *loop_; }
  FunctionHandler& handler() { return *handler_; }
  testing::VirtualClock& clock() { return clock_; }

 private:
  testing::VirtualClock clock_;
  testing::ScriptedTransport* transport_;
  FunctionHandler* handler_;
  std::unique_ptr<EventLoop> loop_;
  ConnectionId connections_ = 0;
};

}  // namespace weir::net

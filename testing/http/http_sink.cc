#include "testing/http/http_sink.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>

#include "base/check.h"
#include "testing/http/tls_identity.h"

namespace weir::testing {

std::string HttpReceived::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

// Bytes in and out of one connection, with TLS or without.
class HttpSink::Connection {
 public:
  Connection(int fd, SSL_CTX* tls) : fd_(fd) {
    if (tls == nullptr) return;
    ssl_ = SSL_new(tls);
    SSL_set_fd(ssl_, fd);
    ok_ = SSL_accept(ssl_) == 1;
  }
  ~Connection() {
    if (ssl_ != nullptr) SSL_free(ssl_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The next request; nothing at the end of the connection.
  std::optional<HttpReceived> Read() {
    size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return std::nullopt;
    }
    HttpReceived request = ParseHeader(buffer_.substr(0, end));
    buffer_.erase(0, end + 4);
    const size_t size = std::strtoull(request.Header("content-length").c_str(), nullptr, 10);
    while (buffer_.size() < size) {
      if (!Fill()) return std::nullopt;
    }
    request.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return request;
  }

  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ssl_ != nullptr
                               ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                               : send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

 private:
  static HttpReceived ParseHeader(const std::string& text) {
    HttpReceived request;
    size_t at = text.find("\r\n");
    const std::string first = text.substr(0, at);
    request.method = first.substr(0, first.find(' '));
    const size_t path = first.find(' ') + 1;
    request.path = first.substr(path, first.find(' ', path) - path);
    while (at != std::string::npos) {
      at += 2;
      const size_t end = text.find("\r\n", at);
      const std::string line = text.substr(at, end == std::string::npos ? end : end - at);
      const size_t colon = line.find(':');
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const size_t value = line.find_first_not_of(' ', colon + 1);
      request.headers.emplace_back(name, value == std::string::npos ? "" : line.substr(value));
      at = end;
    }
    return request;
  }

  bool Fill() {
    char bytes[4096];
    if (!ok_) return false;
    const ssize_t got =
        ssl_ != nullptr ? SSL_read(ssl_, bytes, sizeof bytes) : recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(got));
    return true;
  }

  int fd_;
  SSL* ssl_ = nullptr;
  bool ok_ = true;
  std::string buffer_;
};

HttpSink::HttpSink(Handler handler, Options options)
    : options_(options), handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  WEIR_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  WEIR_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  if (options_.listening) Listen();
}

HttpSink::~HttpSink() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  changed_.notify_all();
  shutdown(listener_, SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
}

std::string HttpSink::Url(std::string_view path) const {
  return std::string(options_.tls != nullptr ? "https" : "http") +
         "://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

void HttpSink::Listen() {
  WEIR_CHECK(listen(listener_, 128) == 0);
  acceptor_ = std::thread([this] { Accept(); });
}

void HttpSink::SetHandler(Handler handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

void HttpSink::ReleaseHung() {
  {
    const std::lock_guard lock(mutex_);
    ++releases_;
  }
  changed_.notify_all();
}

std::vector<HttpReceived> HttpSink::received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

size_t HttpSink::count() const {
  const std::lock_guard lock(mutex_);
  return received_.size();
}

size_t HttpSink::hanging() const {
  const std::lock_guard lock(mutex_);
  return hanging_;
}

bool HttpSink::WaitUntil(const std::function<bool()>& done,
                         std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::unique_lock lock(mutex_);
  while (true) {
    lock.unlock();
    if (done()) return true;
    lock.lock();
    // The condition may depend on more than the sink, so it is looked at now and then anyway.
    changed_.wait_for(lock, std::chrono::milliseconds(5));
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
}

bool HttpSink::WaitForCount(size_t count) const {
  return WaitUntil([&] { return this->count() >= count; });
}

void HttpSink::Accept() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (fd < 0 || stopping_) {
      if (fd >= 0) close(fd);
      return;
    }
    open_.insert(fd);
    threads_.emplace_back([this, fd] { Serve(fd); });
  }
}

void HttpSink::Serve(int fd) {
  {
    Connection connection(fd, options_.tls != nullptr ? options_.tls->context() : nullptr);
    while (std::optional<HttpReceived> request = connection.Read()) {
      const HttpReply reply = Handle(std::move(*request));
      if (reply.action == HttpReply::Action::kCutOff) break;
      if (reply.action == HttpReply::Action::kHang && !HoldWhileHanging()) break;
      const std::string answer =
          "HTTP/1.1 " + std::to_string(reply.status) + " Said\r\n" + reply.headers +
          "Content-Length: " + std::to_string(reply.body.size()) + "\r\n\r\n" + reply.body;
      if (!connection.Write(answer)) break;
      changed_.notify_all();
    }
  }
  const std::lock_guard lock(mutex_);
  open_.erase(fd);
  close(fd);
}

HttpReply HttpSink::Handle(HttpReceived request) {
  Handler handler;
  {
    const std::lock_guard lock(mutex_);
    received_.push_back(request);
    handler = handler_;
  }
  changed_.notify_all();
  return handler(request);
}

// False: the sink ends.
bool HttpSink::HoldWhileHanging() {
  std::unique_lock lock(mutex_);
  const uint64_t before = releases_;
  ++hanging_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return stopping_ || releases_ != before; });
  --hanging_;
  return !stopping_;
}

}  // namespace weir::testing

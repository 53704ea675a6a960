// A small HTTP/1.1 server on loopback that does what a test tells it: answer, hang, cut off,
// refuse.
//
// A connection has a thread of its own; that is for tests alone. Every request is kept, so a test
// can look at what came. Threads: everything from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace weir::testing {

struct HttpReceived {
  std::string method, path;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string Header(std::string_view name) const;  // empty if absent
};

struct HttpReply {
  enum class Action { kAnswer, kHang, kCutOff };  // kHang: until ReleaseHung() or the end
  int status = 200;
  std::string headers;  // further lines, each ending in CRLF
  std::string body;
  Action action = Action::kAnswer;

  static HttpReply Hang() { return {.action = Action::kHang}; }
  static HttpReply CutOff() { return {.action = Action::kCutOff}; }
};

class TlsIdentity;  // see tls_identity.h

class HttpSink {
 public:
  using Handler = std::function<HttpReply(const HttpReceived&)>;

  struct Options {
    bool listening = true;             // false: its port refuses until Listen()
    const TlsIdentity* tls = nullptr;  // must outlive the sink
  };
  explicit HttpSink(Handler handler) : HttpSink(std::move(handler), Options{}) {}
  HttpSink(Handler handler, Options options);
  ~HttpSink();

  uint16_t port() const { return port_; }
  std::string Url(std::string_view path) const;

  void Listen();
  void SetHandler(Handler handler);
  // Those that hang now are answered 200, once their handler says so again or not.
  void ReleaseHung();

  std::vector<HttpReceived> received() const;
  size_t count() const;
  size_t hanging() const;
  // Waits until `done` holds, looked at after every request and answer. False: it took too long.
  bool WaitUntil(const std::function<bool()>& done,
                 std::chrono::milliseconds timeout = std::chrono::seconds(20)) const;
  bool WaitForCount(size_t count) const;

 private:
  class Connection;
  void Accept();
  void Serve(int fd);
  HttpReply Handle(HttpReceived request);
  bool HoldWhileHanging();

  const Options options_;
  int listener_ = -1;
  uint16_t port_ = 0;

  mutable std::mutex mutex_;  // guards all below but the threads
  mutable std::condition_variable changed_;
  Handler handler_;
  std::vector<HttpReceived> received_;
  std::set<int> open_;
  size_t hanging_ = 0;
  uint64_t releases_ = 0;
  bool stopping_ = false;

  std::list<std::thread> threads_;  // of connections; the acceptor's, until it ended
  std::thread acceptor_;
};

}  // namespace weir::testing

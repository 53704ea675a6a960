// An HTTP/2 server in memory for the tests of surge, spoken by nghttp2, which knows the standard
// better than we do: it ends the connection over whatever a client does wrong.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir::surge {

class Http2Peer {
 public:
  struct Request {
    int32_t stream = 0;
    std::map<std::string, std::string> fields;
    std::string body;
  };
  // `on_request` is called with each request that is whole.
  Http2Peer(const std::vector<nghttp2_settings_entry>& settings,
            std::function<void(const Request&)> on_request);
  ~Http2Peer();
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;

  // False: the client broke the protocol.
  bool Receive(std::string_view bytes);
  // What is to be sent to the client.
  std::string Output();

  struct Reply {
    int status = 202;
    std::string body;
    std::string retry_after;
    bool informed_first = false;  // a 103 precedes it
    bool trailers = false;
  };
  void Answer(int32_t stream, const Reply& reply);
  void Reset(int32_t stream, uint32_t code);
  // The last stream that is taken.
  void GoAway(int32_t last, uint32_t code = NGHTTP2_NO_ERROR);
  void Settings(const std::vector<nghttp2_settings_entry>& settings);
  void Ping();
  void OpenWindow(int32_t stream, int32_t bytes);

  uint64_t pings_answered() const { return pings_answered_; }
  // Streams that the client reset.
  uint64_t resets() const { return resets_; }
  size_t open() const { return requests_.size(); }

 private:
  struct Callbacks;
  std::function<void(const Request&)> on_request_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Request> requests_;    // until their stream is closed
  std::map<int32_t, std::string> bodies_;  // of answers
  std::map<int32_t, bool> trailers_;
  uint64_t pings_answered_ = 0;
  uint64_t resets_ = 0;
  bool failed_ = false;
};

}  // namespace weir::surge

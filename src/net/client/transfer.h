// One request on its way: libcurl's handle, what it points to, and the answer so far. The client's
// thread only.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

#include "net/client/client.h"

namespace weir::net {

struct CloseEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, CloseEasy>;

class Transfer {
 public:
  // Libcurl keeps pointers to it.
  Transfer(ClientRequest request, Client::Done done, int64_t deadline_ns);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  int64_t deadline_ns() const { return deadline_ns_; }

  // Sets `easy` up to do the request within `timeout_ms`.
  void Prepare(Easy easy, const ClientOptions& options, int timeout_ms);
  CURL* easy() const { return easy_.get(); }
  // The handle, to be used again; its connection stays in the multi handle.
  Easy Release();

  // Runs `done`. Once.
  void Finish(CURLcode code);
  void Fail(base::Error error);

 private:
  static size_t OnHeader(char* bytes, size_t size, size_t count, void* transfer);
  static size_t OnBody(char* bytes, size_t size, size_t count, void* transfer);
  void SetMethod();
  void SetHeaders();
  bool TakeHeader(std::string_view line);
  base::Error ErrorOf(CURLcode code) const;

  ClientRequest request_;
  Client::Done done_;
  int64_t deadline_ns_;
  Easy easy_;
  curl_slist* headers_ = nullptr;
  ClientResponse response_;
  size_t header_bytes_ = 0;
};

}  // namespace weir::net

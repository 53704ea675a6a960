// Outbound HTTP: requests to systems that may be slow, broken or gone, on one thread of its own.
//
// Send() hands the request over and returns; `done` runs exactly once, on the client's thread, with
// the answer or with why there is none. It must not block: it passes the result on.
//
// Safe by default: certificates and names are verified and TLS is at least 1.2; http:// is for
// loopback addresses alone; redirects are answers like any other; proxies and credentials of the
// environment are not looked at; what an answer may hold is bounded.
//
// Threads: Send() from any thread; Start() and the destructor from the owner. Memory: at most
// Options::requests_max requests, each with an answer of at most its response_bytes_max.
// libcurl looks names up, each on a thread of the look-up's own unless its cache has it: at most
// connections_max of them at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weir::net {

struct ClientOptions {
  unsigned connections_max = 64;   // open at once, idle ones included
  unsigned requests_max = 1024;    // handed over and not yet done
  int connect_timeout_ms = 5'000;  // name, connection and TLS; the request's deadline if sooner
  int idle_connection_max_ms = 60'000;  // an older idle connection is not used again
  std::string user_agent = "weir";
  std::string ca_file;  // PEM; empty: the system's certificate authorities
};

struct ClientRequest {
  std::string method = "POST";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  int timeout_ms = 10'000;  // from Send() to the end of the answer
  size_t response_bytes_max = 64u << 10;
  int redirects_max = 0;  // followed to https alone
};

struct ClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  bool body_cut = false;  // more than response_bytes_max: the rest was not read

  // Of the first header of that name (lower case); empty if there is none.
  std::string_view Header(std::string_view name) const;
};

class Client {
 public:
  // kDeadline: the time is up, connected or not. kUnavailable: refused, reset, no such host, or a
  // certificate that does not hold; the message says which, and never the URL. kStopped: the client
  // is going away.
  using Done = std::function<void(base::Result<ClientResponse>)>;

  static base::Result<std::unique_ptr<Client>> Start(const ClientOptions& options);
  virtual ~Client() =
      default;  // cancels what is under way, each with kStopped, and ends the thread

  // kInvalidArgument: what CheckRequest() refuses. kBacklogFull: requests_max is reached. Then
  // `done` does not run.
  virtual base::Status Send(ClientRequest request, Done done) = 0;
};

// Whether the client would send there: https, or http to 127.0.0.0/8, [::1] or localhost; no user
// or password in it.
base::Status CheckUrl(std::string_view url);
// Whether the client would send it: its URL as above, and no line break or zero byte in its method
// and headers.
base::Status CheckRequest(const ClientRequest& request);

}  // namespace weir::net

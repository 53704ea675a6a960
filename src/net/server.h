// The HTTP server: one loop per core; the first accepts, and gives each connection to the loop that
// has the fewest.
//
// Start() binds exclusively, so that a second server on the same port is refused, then starts the
// loops. Stop() follows the order of the design: stop accepting, close idle connections, answer
// those in progress until the deadline, close the rest, end the loops.
// Threads: Start and Stop from the owner. Everything bounded: see Limits.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"
#include "net/tls.h"

namespace weir::net {

struct Limits {
  size_t header_bytes_max = 16u << 10;
  size_t body_bytes_max = 1u << 20;  // after decoding; a body taken in pieces has its own
  size_t streamed_body_bytes_max = 1ull << 30;
  size_t connections_max = 0;                 // of all loops; 0: the descriptor limit less 512
  unsigned pipeline_max = 64;                 // requests of one connection not yet answered
  size_t send_buffer_bytes_max = 256u << 10;  // of one connection, not yet taken by the kernel
  size_t body_memory_bytes_max = 64u << 20;   // partial bodies held, of all connections
  // Answers not yet taken by the kernel, of all connections: more of those that are large get 503.
  size_t answer_memory_bytes_max = 128u << 20;
  unsigned http2_streams_max = 100;  // of one HTTP/2 connection, at once
  // Of one HTTP/2 connection in a second: streams that the client takes back, and frames that ask
  // for nothing (pings, settings, priorities, empty data …) beyond four per request.
  unsigned http2_resets_max = 200;
  unsigned http2_idle_frames_max = 1000;
  int first_byte_timeout_ms = 10'000;  // from accept to the first byte
  int header_timeout_ms = 10'000;      // from a request's first byte to the end of its header
  int body_timeout_ms = 30'000;        // from the header's end to the body's end
  int idle_timeout_ms = 75'000;        // between requests
  int send_timeout_ms = 30'000;        // without progress while an answer waits to be sent
};

// What lies beneath the loops.
enum class TransportKind { kEpoll, kUring };
// "epoll", "io_uring".
std::string_view Name(TransportKind kind);
// `configured` is one of those, or "auto": io_uring where it works. kInvalidArgument: io_uring does
// not work here, and why; or an unknown word.
base::Result<TransportKind> ChooseTransport(std::string_view configured);

struct ServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;  // 0: the system's choice, see Server::port()
  unsigned loops = 0;    // 0: one per core
  std::string server_name = "weir";
  TransportKind transport = TransportKind::kEpoll;
  std::shared_ptr<TlsContext> tls;  // null: plain sockets
  Limits limits;
};

// Counters of all loops; exact enough to watch, not to reconcile.
struct ServerStats {
  uint64_t connections = 0;  // open now
  uint64_t accepted = 0;
  uint64_t refused = 0;  // closed at once: over connections_max
  uint64_t requests = 0;
  uint64_t responses_by_class[6] = {};  // [2] is 2xx
  uint64_t timeouts = 0;
  uint64_t http2_connections = 0;      // that turned out to speak it
  uint64_t http2_streams_refused = 0;  // see Http2Session
  uint64_t http2_floods = 0;           // connections that were ended for one
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
};

// How many loops that is: one per core where `configured` is 0.
unsigned LoopsOf(unsigned configured);

class Server {
 public:
  using HandlerFactory = std::function<std::unique_ptr<Handler>(Loop&)>;

  // kAlreadyExists: the address is in use. kInvalidArgument: the host is not an address of ours.
  // kUnsupported: the transport does not work here.
  static base::Result<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                     const HandlerFactory& handler);
  virtual ~Server() = default;
  virtual uint16_t port() const = 0;
  virtual unsigned loops() const = 0;
  virtual Loop& loop(unsigned index) = 0;
  virtual size_t connections_max() const = 0;
  virtual ServerStats stats() const = 0;
  // Blocks, at most deadline_ms.
  virtual void Stop(int deadline_ms) = 0;
};

}  // namespace weir::net

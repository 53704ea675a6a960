// The server with a handler that answers every POST at once: what HTTP alone costs.
//   bench_net_echo PORT [LOOPS]
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "net/server.h"

namespace {

class Echo final : public weir::net::Handler {
 public:
  void OnRequest(weir::net::Loop& loop, const weir::net::Request& request) override {
    static constexpr char kBody[] =
        R"({"message":"Report received and queued for processing.","report_id":"s-00000000000000001",)"
        R"("received_at":"2026-11-24T03:06:05.000Z","receipt":{"offset":1234567,"sha256":)"
        R"("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}})";
    loop.Respond(request.ticket, {.status = 202, .body = kBody});
  }
  std::string Problem(int, std::string_view detail) override { return std::string(detail); }
};

}  // namespace

int main(int argc, char** argv) {
  weir::net::ServerOptions options;
  options.port = static_cast<uint16_t>(argc > 1 ? std::atoi(argv[1]) : 8090);
  options.loops = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 0;
  auto server = weir::net::Server::Start(options, [](auto&) { return std::make_unique<Echo>(); });
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  std::printf("listening on %u\n", (*server)->port());
  std::fflush(stdout);
  pause();
}

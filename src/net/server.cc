#include "net/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "net/epoll_loop.h"
#include "net/socket.h"

namespace weir::net {
namespace {

// Of the process's descriptors: files of the journal and the store, listeners, outbound connections.
constexpr size_t kOwnDescriptors = 512;

size_t ConnectionsMax(size_t configured) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const size_t descriptors = limit.rlim_cur;
  const size_t possible = descriptors > 2 * kOwnDescriptors ? descriptors - kOwnDescriptors
                                                            : descriptors / 2;
  return configured == 0 ? possible : std::min(configured, possible);
}

class EpollServer final : public Server {
 public:
  EpollServer(Listeners listeners, const ServerOptions& options, const HandlerFactory& handler)
      : port_(listeners.port) {
    shared_.connections_max = ConnectionsMax(options.limits.connections_max);
    for (unsigned i = 0; i < listeners.sockets.size(); ++i) {
      loops_.push_back(
          std::make_unique<EpollLoop>(i, std::move(listeners.sockets[i]), options, shared_));
    }
    for (auto& loop : loops_) loop->Start(handler);
  }
  ~EpollServer() override { Stop(0); }

  uint16_t port() const override { return port_; }
  unsigned loops() const override { return static_cast<unsigned>(loops_.size()); }
  Loop& loop(unsigned index) override { return *loops_[index]; }
  size_t connections_max() const override { return shared_.connections_max; }

  ServerStats stats() const override {
    ServerStats stats;
    for (const auto& loop : loops_) loop->AddTo(stats);
    return stats;
  }

  void Stop(int deadline_ms) override {
    if (stopped_) return;
    stopped_ = true;
    for (auto& loop : loops_) loop->BeginStop();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
    while (shared_.connections.load() > 0 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    for (auto& loop : loops_) loop->EndNow();
    for (auto& loop : loops_) loop->Join();
  }

 private:
  const uint16_t port_;
  SharedLimits shared_;
  std::vector<std::unique_ptr<EpollLoop>> loops_;
  bool stopped_ = false;
};

}  // namespace

base::Result<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                    const HandlerFactory& handler) {
  const unsigned loops =
      options.loops > 0 ? options.loops : std::max(1u, std::thread::hardware_concurrency());
  WEIR_ASSIGN_OR_RETURN(Listeners listeners, Listen(options.host, options.port, loops));
  return std::unique_ptr<Server>(new EpollServer(std::move(listeners), options, handler));
}

}  // namespace weir::net

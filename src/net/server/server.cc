#include "net/server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "exec/thread.h"
#include "net/server/event_loop.h"
#include "net/server/listener.h"
#include "net/server/make_transport.h"

namespace weir::net {
namespace {

// For segments, databases, logs, outbound connections and the rest of the program.
constexpr size_t kDescriptorsKept = 512;

size_t ConnectionsMax(size_t configured) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const size_t descriptors = std::min<rlim_t>(limit.rlim_cur, 1u << 20);
  const size_t possible = descriptors > kDescriptorsKept ? descriptors - kDescriptorsKept : 1;
  return configured == 0 ? possible : std::min(configured, possible);
}

class ServerOfLoops final : public Server {
 public:
  ServerOfLoops(Listener listener, size_t connections_max)
      : listener_(std::move(listener)),
        port_(listener_.port()),
        connections_max_(connections_max) {}
  ~ServerOfLoops() override { Stop(0); }

  base::Status Begin(const ServerOptions& options, const HandlerFactory& handler);

  uint16_t port() const override { return port_; }
  unsigned loops() const override { return static_cast<unsigned>(loops_.size()); }
  Loop& loop(unsigned index) override { return *loops_[index]; }
  size_t connections_max() const override { return connections_max_; }
  ServerStats stats() const override;
  void Stop(int deadline_ms) override;

 private:
  void Accept(EventLoop& here, int descriptor, std::string peer);
  void RunLoop(EventLoop& loop);

  Listener listener_;
  const uint16_t port_;
  const size_t connections_max_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::vector<std::thread> threads_;

  std::mutex mutex_;
  std::condition_variable ended_changed_;
  size_t ended_ = 0;  // loops whose thread has left its turns; guarded by mutex_
};

base::Status ServerOfLoops::Begin(const ServerOptions& options, const HandlerFactory& handler) {
  const unsigned count = LoopsOf(options.loops);
  for (unsigned i = 0; i < count; ++i) {
    WEIR_ASSIGN_OR_RETURN(std::unique_ptr<Transport> transport,
                          MakeTransport(options.transport, options.tls));
    EventLoop::Options loop_options{.index = i,
                                    .limits = options.limits,
                                    .memory = MemoryShares(options.limits, count),
                                    .server_name = options.server_name};
    loops_.push_back(std::make_unique<EventLoop>(std::move(loop_options), std::move(transport),
                                                 base::SystemClock()));
    loops_.back()->SetHandler(handler(*loops_.back()));
  }
  loops_.front()->SetAcceptor([this](EventLoop& here, int descriptor, std::string peer) {
    Accept(here, descriptor, std::move(peer));
  });
  loops_.front()->transport().StartAccepting(listener_.descriptor());
  for (const auto& loop : loops_) {
    threads_.emplace_back([this, &loop = *loop] { RunLoop(loop); });
  }
  return {};
}

// Sharing by least load, not by the hash of SO_REUSEPORT: see docs/decisions.md.
void ServerOfLoops::Accept(EventLoop& here, int descriptor, std::string peer) {
  EventLoop* least = &here;
  size_t total = 0;
  for (const auto& loop : loops_) {
    const size_t load = loop->load().load(std::memory_order_relaxed);
    total += load;
    if (load < least->load().load(std::memory_order_relaxed)) least = loop.get();
  }
  if (total >= connections_max_) {
    close(descriptor);
    here.CountRefused();
    return;
  }
  least->load().fetch_add(1, std::memory_order_relaxed);
  if (least == &here) return here.PlaceConnection(descriptor, std::move(peer));
  const bool posted = least->Post(
      [least, descriptor, peer = std::move(peer)] { least->PlaceConnection(descriptor, peer); });
  if (posted) return;
  close(descriptor);
  least->load().fetch_sub(1, std::memory_order_relaxed);
}

void ServerOfLoops::RunLoop(EventLoop& loop) {
  exec::SetThreadName("weir-loop-" + std::to_string(loop.index()));
  loop.Run();
  loop.CloseAll();
  const std::lock_guard lock(mutex_);
  ++ended_;
  ended_changed_.notify_all();
}

ServerStats ServerOfLoops::stats() const {
  ServerStats stats;
  for (const auto& loop : loops_) loop->counters().AddTo(stats);
  return stats;
}

void ServerOfLoops::Stop(int deadline_ms) {
  if (threads_.empty()) return;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
  for (const auto& loop : loops_) {
    loop->Post([this, raw = loop.get()] {
      raw->BeginDrain();
      // Only now, since this loop accepts from it: further connections are refused by the kernel.
      if (raw == loops_.front().get()) listener_.Close();
    });
  }
  {
    std::unique_lock lock(mutex_);
    ended_changed_.wait_until(lock, deadline, [&] { return ended_ == loops_.size(); });
  }
  for (const auto& loop : loops_) {
    loop->Post([raw = loop.get()] { raw->Finish(); });
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  listener_.Close();
}

}  // namespace

unsigned LoopsOf(unsigned configured) {
  return configured > 0 ? configured : std::max(1u, std::thread::hardware_concurrency());
}

base::Result<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                    const HandlerFactory& handler) {
  WEIR_ASSIGN_OR_RETURN(Listener listener, Listener::Open(options.host, options.port));
  auto server = std::make_unique<ServerOfLoops>(std::move(listener),
                                                ConnectionsMax(options.limits.connections_max));
  WEIR_RETURN_IF_ERROR(server->Begin(options, handler));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace weir::net

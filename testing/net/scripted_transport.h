// A Transport without sockets: a test says what arrives, in which pieces, and how much of an answer
// is taken. With a virtual clock a whole loop runs in the test's own thread, the same every time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/server/transport.h"

namespace weir::testing {

class ScriptedTransport final : public net::Transport {
 public:
  static constexpr size_t kUnlimited = SIZE_MAX;

  struct Connection {
    std::string sent;          // what the loop has sent
    size_t room = kUnlimited;  // how much more is taken
    bool paused = false;
    bool finished = false;  // the loop sends no more
    bool closed = false;
    bool reset = false;
    bool full = false;  // a Send() was cut short
    std::deque<std::string> arriving;
    bool peer_finished = false;  // after what is arriving
    bool peer_finish_told = false;
    bool broken = false;
  };

  // Ids are 0, 1, 2 … in the order of Connect(), and never used again.
  void Connect() { ++connecting_; }
  Connection& at(net::ConnectionId id) { return connections_.at(id); }
  bool knows(net::ConnectionId id) const { return id < connections_.size(); }
  void Deliver(net::ConnectionId id, std::string_view bytes) {
    at(id).arriving.emplace_back(bytes);
  }
  void MakeRoom(net::ConnectionId id, size_t bytes) {
    Connection& connection = at(id);
    connection.room = bytes == kUnlimited ? bytes : connection.room + bytes;
  }
  // Bytes that Wait() could hand over now.
  bool idle() const {
    return connecting_ == 0 && !woken_ &&
           std::ranges::all_of(connections_, [](const Connection& c) {
             return c.closed || c.paused ||
                    (c.arriving.empty() && !c.broken && c.peer_finished == c.peer_finish_told);
           });
  }
  int64_t last_timeout_ns() const { return last_timeout_ns_; }
  uint64_t wakes() const { return wakes_; }
  bool accepting() const { return accepting_; }

  void StartAccepting(int) override { accepting_ = true; }
  void StopAccepting() override { accepting_ = false; }
  net::ConnectionId Adopt(int) override {
    connections_.emplace_back();
    return static_cast<net::ConnectionId>(connections_.size() - 1);
  }
  void Wait(int64_t timeout_ns, net::TransportEvents& events) override {
    last_timeout_ns_ = timeout_ns;
    events.OnAwake();
    const bool woken = std::exchange(woken_, false);
    for (; connecting_ > 0; --connecting_) events.OnAccepted(-1, "192.0.2.1");
    for (net::ConnectionId id = 0; id < connections_.size(); ++id) Serve(id, events);
    if (woken) events.OnWoken();
  }
  void Wake() override {
    ++wakes_;
    woken_ = true;
  }
  size_t Send(net::ConnectionId id, std::string_view bytes) override {
    Connection& connection = at(id);
    const size_t taken = std::min(bytes.size(), connection.room);
    connection.sent.append(bytes.substr(0, taken));
    if (connection.room != kUnlimited) connection.room -= taken;
    connection.full = taken < bytes.size();
    return taken;
  }
  void PauseReceiving(net::ConnectionId id) override { at(id).paused = true; }
  void ResumeReceiving(net::ConnectionId id) override { at(id).paused = false; }
  void FinishSending(net::ConnectionId id) override { at(id).finished = true; }
  void Close(net::ConnectionId id, bool reset) override {
    at(id).closed = true;
    at(id).reset = reset;
  }

 private:
  void Serve(net::ConnectionId id, net::TransportEvents& events) {
    // By id: events may add connections.
    if (!at(id).closed && !at(id).paused && !at(id).arriving.empty()) {
      const std::string bytes = std::move(at(id).arriving.front());
      at(id).arriving.pop_front();
      if (!bytes.empty()) events.OnReceived(id, bytes);
    }
    if (!at(id).closed && !at(id).paused && at(id).arriving.empty() && at(id).peer_finished &&
        !std::exchange(at(id).peer_finish_told, true)) {
      events.OnPeerFinished(id);
    }
    if (!at(id).closed && at(id).full && at(id).room > 0) {
      at(id).full = false;
      events.OnWritable(id);
    }
    if (!at(id).closed && at(id).broken) events.OnBroken(id);
  }

  std::vector<Connection> connections_;
  unsigned connecting_ = 0;
  bool accepting_ = false;
  bool woken_ = false;
  int64_t last_timeout_ns_ = 0;
  uint64_t wakes_ = 0;
};

}  // namespace weir::testing

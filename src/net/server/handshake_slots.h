// Who may carry on a TLS handshake: at most so many connections at once, the others in the order in
// which they came.
//
// A client that stalls keeps its slot for as long as nobody wants it. While somebody waits, whoever
// has had one for kTurnNs is overdue: that is several round trips and a retransmission on a mobile
// network. So a flood of handshakes that stall delays others, by at most kTurnNs for each time that
// its connections fill the slots, and never keeps them out.
//
// Pure: time is passed in. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>

#include "net/server/transport.h"

namespace weir::net {

class HandshakeSlots {
 public:
  static constexpr int64_t kTurnNs = 3'000'000'000;

  explicit HandshakeSlots(size_t slots_max) : slots_max_(slots_max) {}

  // For one that has none and does not wait. False: it waits, until Next() names it.
  [[nodiscard]] bool Take(ConnectionId id, int64_t now_ns);
  // Of whoever has a slot, or waits for one; of others nothing.
  void Leave(ConnectionId id);
  // Of whoever has a slot: it is we who keep it from going on, so its time begins anew.
  void Restart(ConnectionId id, int64_t now_ns);

  bool anyone_waits() const { return !waiting_.empty(); }
  // Who waits longest, and has a slot from now on; none if none is free, or nobody waits.
  std::optional<ConnectionId> Next(int64_t now_ns);
  // Whose slot should go to somebody who waits: Leave() is the caller's.
  std::optional<ConnectionId> Overdue(int64_t now_ns) const;
  // When Next() or Overdue() is worth asking, if nothing else happens. Only while somebody waits.
  int64_t WorthAskingFromNs() const;

 private:
  struct Place {
    ConnectionId id;
    int64_t since_ns;
    bool holds;
  };
  using Places = std::list<Place>;
  void Add(Places& to, const Place& place);
  bool full() const { return holding_.size() >= slots_max_; }

  const size_t slots_max_;
  Places holding_;  // in the order in which their time began
  Places waiting_;  // in the order in which they came
  std::unordered_map<ConnectionId, Places::iterator> places_;  // of both
};

}  // namespace weir::net

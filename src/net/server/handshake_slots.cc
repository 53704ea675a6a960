#include "net/server/handshake_slots.h"

#include "base/check.h"

namespace weir::net {

void HandshakeSlots::Add(Places& to, const Place& place) {
  places_[place.id] = to.insert(to.end(), place);
}

bool HandshakeSlots::Take(ConnectionId id, int64_t now_ns) {
  WEIR_CHECK(!places_.contains(id));
  // Who waits already goes first.
  const bool holds = !full() && waiting_.empty();
  Add(holds ? holding_ : waiting_, {.id = id, .since_ns = now_ns, .holds = holds});
  return holds;
}

void HandshakeSlots::Leave(ConnectionId id) {
  const auto found = places_.find(id);
  if (found == places_.end()) return;
  (found->second->holds ? holding_ : waiting_).erase(found->second);
  places_.erase(found);
}

void HandshakeSlots::Restart(ConnectionId id, int64_t now_ns) {
  const auto found = places_.find(id);
  if (found == places_.end() || !found->second->holds) return;
  found->second->since_ns = now_ns;
  holding_.splice(holding_.end(), holding_, found->second);
}

std::optional<ConnectionId> HandshakeSlots::Next(int64_t now_ns) {
  if (waiting_.empty() || full()) return std::nullopt;
  const ConnectionId id = waiting_.front().id;
  waiting_.pop_front();
  Add(holding_, {.id = id, .since_ns = now_ns, .holds = true});
  return id;
}

std::optional<ConnectionId> HandshakeSlots::Overdue(int64_t now_ns) const {
  if (waiting_.empty() || !full() || now_ns < WorthAskingFromNs()) return std::nullopt;
  return holding_.front().id;
}

int64_t HandshakeSlots::WorthAskingFromNs() const {
  return full() ? holding_.front().since_ns + kTurnNs : 0;
}

}  // namespace weir::net

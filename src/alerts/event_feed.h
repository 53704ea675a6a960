// One client of the stream over HTTP: takes from its subscription what the connection can take.
#pragma once

#include <memory>
#include <string>

#include "alerts/stream.h"
#include "net/http.h"

namespace weir::alerts {

// Lives on its loop, from Start() until the connection or the subscription ends.
class EventFeed : public std::enable_shared_from_this<EventFeed> {
 public:
  // Answers the ticket: with events, or with a problem if there are too many subscribers.
  static void Start(Stream& stream, net::Loop& loop, net::Ticket ticket, SubscribeOptions options,
                    std::string_view trace_id);

 private:
  explicit EventFeed(net::Loop& loop) : loop_(loop) {}
  void Pump();

  net::Loop& loop_;
  std::unique_ptr<Subscription> subscription_;
  net::BodyWriter* writer_ = nullptr;
  bool full_ = false;
  std::string out_;
  std::shared_ptr<EventFeed> self_;  // shared with the posts that wake it; until the end
};

}  // namespace weir::alerts

// One client of the stream over HTTP: takes from its subscription what the connection can take.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "alerts/stream.h"
#include "net/http.h"

namespace weir::alerts {

// Lives on its loop, from Start() until the connection or the subscription ends.
class EventFeed : public std::enable_shared_from_this<EventFeed> {
 public:
  // Answers the ticket: with events, or with a problem if there are too many subscribers. `allowed`
  // is asked before each piece on the loop's thread: once it is false, the answer ends.
  static void Start(Stream& stream, net::Loop& loop, net::Ticket ticket, SubscribeOptions options,
                    std::function<bool()> allowed, std::string_view trace_id);
  // Answers a HEAD, which subscribes to nothing.
  static void RespondHead(net::Loop& loop, net::Ticket ticket);

 private:
  EventFeed(net::Loop& loop, std::function<bool()> allowed)
      : loop_(loop), allowed_(std::move(allowed)) {}
  void Pump();

  net::Loop& loop_;
  const std::function<bool()> allowed_;
  std::unique_ptr<Subscription> subscription_;
  net::BodyWriter* writer_ = nullptr;
  bool full_ = false;
  std::string out_;
  std::shared_ptr<EventFeed> self_;  // shared with the posts that wake it; until the end
};

}  // namespace weir::alerts

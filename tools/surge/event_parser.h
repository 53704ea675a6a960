// Server-Sent Events (WHATWG HTML, section 9.2), as far as one line of data per event goes.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace weir::surge {

struct ServerEvent {
  std::string id;  // the last one seen, also on earlier events
  std::string event;
  std::string data;
};

class EventParser {
 public:
  // Calls `each` for every event that is complete with these bytes.
  void Feed(std::string_view bytes, const std::function<void(const ServerEvent&)>& each);
  // A new connection: half an event is forgotten, the last id is kept.
  void Reset();
  const std::string& last_id() const { return event_.id; }

 private:
  void Line(std::string_view line, const std::function<void(const ServerEvent&)>& each);
  std::string rest_;  // a line that has not ended
  std::string id_;    // of the event that has not ended
  ServerEvent event_;
};

}  // namespace weir::surge

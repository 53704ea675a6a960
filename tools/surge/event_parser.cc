#include "tools/surge/event_parser.h"

namespace weir::surge {

void EventParser::Feed(std::string_view bytes,
                       const std::function<void(const ServerEvent&)>& each) {
  rest_.append(bytes);
  size_t start = 0;
  for (size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', start)) {
    std::string_view line(rest_.data() + start, end - start);
    if (line.ends_with('\r')) line.remove_suffix(1);
    Line(line, each);
    start = end + 1;
  }
  rest_.erase(0, start);
}

void EventParser::Reset() {
  rest_.clear();
  id_ = event_.id;
  event_.event.clear();
  event_.data.clear();
}

void EventParser::Line(std::string_view line, const std::function<void(const ServerEvent&)>& each) {
  if (line.empty()) {
    event_.id = id_;
    if (!event_.data.empty()) each(event_);
    event_.event.clear();
    event_.data.clear();
    return;
  }
  const size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "id") {
    id_ = value;
  } else if (field == "event") {
    event_.event = value;
  } else if (field == "data") {
    event_.data += value;
  }
}

}  // namespace weir::surge

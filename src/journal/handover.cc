#include "journal/handover.h"

#include "base/check.h"
#include "journal/format.h"

namespace weir::journal {

void Handover::Add(const RecordHeader& header, std::string_view head, std::string_view body,
                   Probe probe, uint64_t ticket) {
  WEIR_CHECK(head.size() <= kHeadBytesMax && body.size() <= kBodyBytesMax);
  WEIR_CHECK(bytes_.size() + head.size() + body.size() <= UINT32_MAX);
  Item& item = items_.emplace_back();
  item.ticket = ticket;
  item.header = header;
  item.probe = std::move(probe);
  item.at = static_cast<uint32_t>(bytes_.size());
  item.head_size = static_cast<uint32_t>(head.size());
  item.body_size = static_cast<uint32_t>(body.size());
  bytes_.append(head);
  bytes_.append(body);
}

void Handover::Clear() {
  items_.clear();
  bytes_.clear();
}

}  // namespace weir::journal

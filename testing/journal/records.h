// Records for tests of the journal, made from a number alone, and journals that hold them.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "journal/journal.h"

namespace weir::testing {

inline std::string HeadOf(uint64_t number) {
  return "study/site-" + std::to_string(number % 7) + "/doctor/" + std::to_string(number);
}
// Of different sizes, mostly like a questionnaire's.
inline std::string BodyOf(uint64_t number) {
  std::string body = "{\"report_id\":\"r" + std::to_string(number) + "\",\"data\":{";
  for (uint64_t i = 0; i < number % 13; ++i) {
    body += "\"/item-" + std::to_string(i) + "\":\"LA" + std::to_string(number * 31 + i) + "\",";
  }
  return body + "}}";
}
inline journal::RecordHeader HeaderOf(uint64_t number, std::string_view body) {
  journal::RecordHeader header;
  header.kind = static_cast<uint16_t>(1 + number % 3);
  header.flags = number % 5 == 0 ? journal::kControl : 0;
  header.time_ms = 1'795'489'565'000 + static_cast<int64_t>(number);
  header.key = journal::MakeKey("test", std::to_string(number));
  header.sha256 = base::Sha256(body);
  return header;
}
inline bool IsRecord(const journal::RecordView& record, uint64_t number) {
  const std::string body = BodyOf(number);
  const journal::RecordHeader header = HeaderOf(number, body);
  return record.head == HeadOf(number) && record.body == body && record.kind == header.kind &&
         record.flags == header.flags && record.time_ms == header.time_ms &&
         record.key == header.key && record.sha256 == header.sha256;
}

// Collects what comes back. Any thread.
class CollectingSink final : public journal::HandoverSink {
 public:
  void Completed(std::unique_ptr<journal::Handover> batch, bool last) noexcept override {
    const std::lock_guard lock(mutex_);
    completed_.push_back(std::move(batch));
    if (last) ++wakes_;
    changed_.notify_all();
  }
  // The batches completed so far, once there are `count` of them.
  std::vector<std::unique_ptr<journal::Handover>> Await(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return completed_.size() >= count; });
    return std::move(completed_);
  }
  size_t completed() const {
    const std::lock_guard lock(mutex_);
    return completed_.size();
  }
  size_t wakes() const {
    const std::lock_guard lock(mutex_);
    return wakes_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<journal::Handover>> completed_;
  size_t wakes_ = 0;
};

// Adds record `number` to the batch, probed as a producer would.
inline void AddRecord(const journal::Journal& journal, journal::Handover& batch, uint64_t number,
                      const std::string& body) {
  const journal::RecordHeader header = HeaderOf(number, body);
  auto probe = journal.ProbeMemory(header.key);
  if (!probe) {
    if (auto asked = journal.ProbeDisk(header.key)) probe = std::move(*asked);
  }
  batch.Add(header, HeadOf(number), body, probe.value_or(journal::Probe{}), number);
}

}  // namespace weir::testing

#include "testing/memory_journal/memory_journal.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace weir::testing {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;
using journal::Block;
using journal::ControlEntry;
using journal::Key;
using journal::KnownBody;
using journal::Offset;
using journal::Probe;
using journal::Record;
using journal::RecordHeader;

Offset MemoryJournal::Add(RecordHeader header, std::string head, std::string body) {
  const std::lock_guard lock(mutex_);
  const Offset offset(records_.size());
  header.sha256 = base::Sha256(body);
  if (!header.key.none()) {
    auto& known = bodies_[header.key];
    if (!known.empty()) header.flags |= journal::kConflicting;
    known.push_back({header.sha256, offset, !known.empty()});
  }
  Record record;
  static_cast<RecordHeader&>(record) = header;
  record.offset = offset;
  record.head = std::move(head);
  record.body = std::move(body);
  records_.push_back(std::move(record));
  if ((header.flags & journal::kControl) != 0) {
    controls_.push_back({offset, header.kind, header.flags});
  }
  grown_.notify_all();
  return offset;
}

void MemoryJournal::FailReadsAt(std::optional<Offset> offset) {
  const std::lock_guard lock(mutex_);
  fail_at_ = offset;
}

void MemoryJournal::BeginAt(Offset begin) {
  const std::lock_guard lock(mutex_);
  begin_ = begin;
}

std::optional<Probe> MemoryJournal::ProbeMemory(const Key&) const { return Probe{}; }
Result<Probe> MemoryJournal::ProbeDisk(const Key&) const { return Probe{}; }

Result<std::vector<KnownBody>> MemoryJournal::Find(const Key& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = bodies_.find(key);
  return found == bodies_.end() ? std::vector<KnownBody>{} : found->second;
}

bool MemoryJournal::Submit(std::unique_ptr<journal::Handover>&) {
  WEIR_CHECK_MSG(false, "MemoryJournal takes records by Add() and AppendAndWait() only");
}

journal::Journal::Appended MemoryJournal::AppendAndWait(const RecordHeader& header,
                                                        std::string_view head,
                                                        std::string_view body) {
  return {journal::Outcome::kStored, Add(header, std::string(head), std::string(body))};
}

Offset MemoryJournal::durable_end() const {
  const std::lock_guard lock(mutex_);
  return Offset(records_.size());
}

Offset MemoryJournal::begin() const {
  const std::lock_guard lock(mutex_);
  return begin_;
}

bool MemoryJournal::WaitBeyond(Offset after, int timeout_ms) const {
  std::unique_lock lock(mutex_);
  return grown_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                         [&] { return records_.size() > after.value(); });
}

Status MemoryJournal::CheckReadable(Offset first, Offset last) const {
  if (first < begin_) return Fail(ErrorCode::kNotFound, "archived");
  if (fail_at_ && *fail_at_ >= first && *fail_at_ <= last) {
    return Fail(ErrorCode::kIo, "this offset cannot be read");
  }
  return {};
}

Status MemoryJournal::Read(Offset from, size_t records_max, size_t bytes_max, Block* block) const {
  const std::lock_guard lock(mutex_);
  size_t bytes = 0;
  for (uint64_t at = from.value(); at < records_.size() && at - from.value() < records_max; ++at) {
    const Record& record = records_[at];
    bytes += record.head.size() + record.body.size();
    if (bytes > bytes_max && at > from.value()) break;
    WEIR_RETURN_IF_ERROR(CheckReadable(Offset(at), Offset(at)));
    block->records.push_back(record.view());
  }
  return {};
}

Result<Record> MemoryJournal::ReadOne(Offset offset) const {
  const std::lock_guard lock(mutex_);
  if (offset.value() >= records_.size()) return Fail(ErrorCode::kNotFound, "beyond the end");
  WEIR_RETURN_IF_ERROR(CheckReadable(offset, offset));
  return records_[offset.value()];
}

Result<std::vector<ControlEntry>> MemoryJournal::Controls(Offset from, size_t max) const {
  const std::lock_guard lock(mutex_);
  const auto first = std::ranges::lower_bound(controls_, from, {}, &ControlEntry::offset);
  const size_t count = std::min<size_t>(max, static_cast<size_t>(controls_.end() - first));
  return std::vector<ControlEntry>(first, first + static_cast<std::ptrdiff_t>(count));
}

Result<Offset> MemoryJournal::Archive(Offset before, const std::string&) {
  BeginAt(std::min(before, durable_end()));
  return begin();
}

journal::Stats MemoryJournal::stats() const {
  journal::Stats stats;
  stats.end = durable_end();
  stats.records = stats.end.value();
  return stats;
}

}  // namespace weir::testing

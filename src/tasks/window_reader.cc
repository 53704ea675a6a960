#include "tasks/window_reader.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace weir::tasks {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;

// What one read may bring at most, whatever its records' size, so that a window of large bodies is
// no larger than a share of what all may hold. The journal adds at least one record to it.
size_t ReadBytesMax(size_t bytes_max) { return std::max<size_t>(bytes_max / 4, 64 << 10); }

// A worker finishes its window within milliseconds; what it has read is then dropped.
constexpr int kStopDeadlineMs = 2000;

}  // namespace

WindowReader::WindowReader(WindowReaderOptions options, const journal::Journal& journal,
                           const Service& service, const Instruments& instruments)
    : options_(options),
      journal_(journal),
      service_(service),
      instruments_(instruments),
      window_records_(options.window_records_max),
      pool_({.name = "task",
             .threads = options.threads,
             .queue_max = options.threads,
             .nice = options.nice}) {}

WindowReader::~WindowReader() { Stop(); }

void WindowReader::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  pool_.Stop(kStopDeadlineMs);
}

WindowReader::Lane* WindowReader::FindLane(Offset cursor) {
  for (const auto& lane : lanes_) {
    if (lane->cursor == cursor) return lane.get();
  }
  return nullptr;
}

void WindowReader::SetLanes(std::span<const LaneGoal> goals) {
  const std::lock_guard lock(mutex_);
  std::erase_if(lanes_, [&](const std::shared_ptr<Lane>& lane) {
    if (std::ranges::find(goals, lane->cursor, &LaneGoal::cursor) != goals.end()) return false;
    Drop(*lane);
    return true;
  });
  for (const LaneGoal& goal : goals) {
    Lane* lane = FindLane(goal.cursor);
    if (lane == nullptr) {
      lane = lanes_.emplace_back(std::make_shared<Lane>()).get();
      lane->cursor = lane->read_next = goal.cursor;
    }
    lane->limit = goal.limit;
  }
  Kick();
}

void WindowReader::SetWindowRecords(size_t records) {
  const std::lock_guard lock(mutex_);
  window_records_ = std::clamp<size_t>(records, 1, options_.window_records_max);
}

Result<const Window*> WindowReader::Front(Offset cursor) {
  const std::lock_guard lock(mutex_);
  Lane* lane = FindLane(cursor);
  if (lane == nullptr || lane->slots.empty() || !lane->slots.front()->done) {
    return static_cast<const Window*>(nullptr);
  }
  const Slot& slot = *lane->slots.front();
  if (!slot.status) return Fail(slot.status.error());
  return &slot.window;
}

void WindowReader::Pop(Offset cursor) {
  std::shared_ptr<Slot> slot;  // destroyed outside the lock
  const std::lock_guard lock(mutex_);
  Lane* lane = FindLane(cursor);
  WEIR_CHECK(lane != nullptr && !lane->slots.empty() && lane->slots.front()->done);
  slot = std::move(lane->slots.front());
  lane->slots.pop_front();
  held_.records -= slot->records;
  held_.bytes -= slot->bytes;
  if (slot->status) lane->cursor = slot->window.end;
  // Two lanes that meet are one: the other has the windows that follow already, or reads them.
  for (const auto& other : lanes_) {
    if (other.get() != lane && other->cursor == lane->cursor) {
      Drop(*lane);
      std::erase_if(lanes_, [&](const auto& each) { return each.get() == lane; });
      break;
    }
  }
  Kick();
}

void WindowReader::Forget(Offset cursor) {
  const std::lock_guard lock(mutex_);
  std::erase_if(lanes_, [&](const std::shared_ptr<Lane>& lane) {
    if (lane->cursor != cursor) return false;
    Drop(*lane);
    return true;
  });
}

void WindowReader::Drop(Lane& lane) {
  lane.forgotten = true;
  for (const auto& slot : lane.slots) {
    held_.records -= slot->records;
    held_.bytes -= slot->bytes;
    slot->records = slot->bytes = 0;
  }
  lane.slots.clear();
}

bool WindowReader::WaitReady(int timeout_ms) {
  std::unique_lock lock(mutex_);
  ready_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [this] { return became_ready_; });
  return std::exchange(became_ready_, false);
}

bool WindowReader::busy() const {
  const std::lock_guard lock(mutex_);
  return working_ > 0;
}

WindowReader::Held WindowReader::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

bool WindowReader::MayRead(const Lane& lane) const {
  if (lane.reading || lane.failed || lane.read_next >= lane.limit) return false;
  if (lane.slots.empty()) return true;
  return held_.records + window_records_ <= options_.records_max &&
         held_.bytes + ReadBytesMax(options_.bytes_max) <= options_.bytes_max;
}

void WindowReader::Kick() {
  while (!stopped_ && working_ < options_.threads) {
    const auto readable = [this](const auto& lane) { return MayRead(*lane); };
    if (std::ranges::none_of(lanes_, readable)) return;
    if (!pool_.TrySubmit([this] { Work(); })) return;
    ++working_;
  }
}

void WindowReader::Work() {
  std::unique_lock lock(mutex_);
  for (size_t tried = 0; !stopped_ && tried < lanes_.size();) {
    const std::shared_ptr<Lane> lane = lanes_[next_lane_++ % lanes_.size()];
    if (!MayRead(*lane)) {
      ++tried;
      continue;
    }
    Fill(lane, lock);
    tried = 0;
  }
  --working_;
}

void WindowReader::Fill(const std::shared_ptr<Lane>& lane, std::unique_lock<std::mutex>& lock) {
  auto slot = lane->slots.emplace_back(std::make_shared<Slot>());
  const Offset from = lane->read_next;
  const size_t records = std::min<uint64_t>(window_records_, lane->limit - from);
  slot->records = records;
  slot->bytes = ReadBytesMax(options_.bytes_max);
  held_.records += slot->records;
  held_.bytes += slot->bytes;
  lane->reading = true;
  lock.unlock();

  Window& window = slot->window;
  Status status = journal_.Read(from, records, ReadBytesMax(options_.bytes_max), &window.block);
  if (status && window.block.records.empty()) {
    status = Fail(ErrorCode::kUnavailable,
                  "the journal has no record at offset " + std::to_string(from.value()) + " yet");
  }
  size_t bytes = 0;
  for (const journal::RecordView& record : window.block.records) {
    bytes += record.head.size() + record.body.size();
  }
  window.begin = from;
  window.end = from + window.block.records.size();

  lock.lock();
  if (!lane->forgotten) {
    held_.records += window.block.records.size() - slot->records;
    held_.bytes += bytes - slot->bytes;
    slot->records = window.block.records.size();
    slot->bytes = bytes;
    lane->read_next = window.end;
    lane->failed = !status;
  }
  lane->reading = false;
  Kick();
  lock.unlock();

  if (status) {
    auto computed = service_.Compute(window.block, instruments_, std::nullopt);
    if (computed) {
      window.computed = std::move(*computed);
    } else {
      status = Fail(std::move(computed).error());
    }
  }

  lock.lock();
  slot->status = std::move(status);
  slot->done = true;
  became_ready_ = true;
  ready_.notify_one();
}

}  // namespace weir::tasks

// The journal's thread: takes what was handed over, decides what is new, writes it in groups, and
// hands the outcomes back.
//
// While one group is synced the next one gathers. Submit() takes one short lock for a whole
// Handover, and wakes the thread only if it sleeps. Completions run in the order of Submit(); a
// repeat completes after the record that it repeats is durable, because it is at the earliest in
// the same group.
//
// Threads: Submit, stats and failed from any; Start and Stop from the owner.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"
#include "journal/handover.h"
#include "journal/journal.h"
#include "journal/writer.h"

namespace weir::journal {

// What the thread tells of its progress, on itself.
class GroupCommitObserver {
 public:
  virtual ~GroupCommitObserver() = default;
  // How many more control records may be committed; asked only before one is appended.
  virtual size_t ControlRoom() = 0;
  // Everything below `end` is durable; before the sinks hear of it. The observer tells the
  // admission.
  virtual void Committed(const std::vector<ControlEntry>& controls, Offset end,
                         const Digest& chain) = 0;
  // There is no room for a segment; records are refused.
  virtual void NoSpace() = 0;
  // Once, on the first failed write or sync, before the waiters hear of it.
  virtual void Failed(const base::Error& error) = 0;
};

class GroupCommit {
 public:
  GroupCommit(Writer& writer, Admission& admission, GroupCommitObserver& observer,
              size_t pending_bytes_max);
  ~GroupCommit();  // Stop() came before, or Start() never did

  void Start();
  // False: too much waits, and the batch is still the caller's. After Stop() or a failure the batch
  // completes at once with kStopped, on the caller's thread.
  [[nodiscard]] bool Submit(std::unique_ptr<Handover>& batch);
  // Waits until there is room again, or the thread has stopped.
  void AwaitRoom(size_t bytes);
  // Writes what was submitted, seals the end, ends the thread.
  base::Status Stop();

  std::optional<base::Error> failed() const;
  uint64_t pending_bytes() const { return pending_bytes_.load(std::memory_order_relaxed); }
  uint64_t pending_records() const { return pending_records_.load(std::memory_order_relaxed); }

 private:
  struct InFlight {
    std::unique_ptr<Handover> batch;
    size_t group_from = 0;  // its items from here on belong to the group that is being gathered
    size_t next = 0;        // the first that is not decided yet
  };

  void Run();
  bool TakePending();  // false: stopping, and nothing waits
  bool TakeMore();
  void Work(InFlight& work);
  // False: not decided, for the group is full or the journal failed.
  bool Decide(Handover& batch, Handover::Item& item);
  void Flush();
  void CompleteDecided();
  void Complete(std::vector<std::unique_ptr<Handover>>& done);
  void Fail(const base::Error& error);
  static size_t WeightOf(const Handover& batch);

  Writer& writer_;
  Admission& admission_;
  GroupCommitObserver& observer_;
  const size_t pending_bytes_max_;

  // The thread's own.
  std::vector<InFlight> work_;
  std::vector<std::unique_ptr<Handover>> taken_;
  std::vector<std::unique_ptr<Handover>> done_;
  std::vector<ControlEntry> controls_;
  bool synced_ = false;   // by the flush under way
  bool flushed_ = false;  // a group was full before all that was taken was in it
  bool has_failed_ = false;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable room_;
  std::vector<std::unique_ptr<Handover>> pending_;
  bool sleeping_ = false;
  bool stopping_ = false;
  size_t room_waiters_ = 0;
  std::optional<base::Error> error_;
  std::atomic<uint64_t> pending_bytes_{0};  // changed under mutex_, handed over and not completed
  std::atomic<uint64_t> pending_records_{0};
  std::thread thread_;
};

}  // namespace weir::journal

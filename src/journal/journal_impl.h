// The journal of one directory, put together: recovery, writer, index, reader. Not for inclusion
// outside this folder; journal.h is the interface.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "journal/control_index.h"
#include "journal/group_commit.h"
#include "journal/journal.h"
#include "journal/key_index.h"
#include "journal/reader.h"
#include "journal/recovery.h"
#include "journal/reserve.h"
#include "journal/segment_set.h"
#include "journal/writer.h"

namespace weir::journal {

class JournalImpl final : public Journal, private GroupCommitObserver {
 public:
  JournalImpl(io::FileSystem& files, const base::Clock& clock, Options options);
  ~JournalImpl() override;

  // Once, before any other call.
  base::Status Start();

  const Recovery& recovery() const override { return recovery_; }
  std::optional<Probe> ProbeMemory(const Key& key) const override;
  void PrefetchProbe(const Key& key) const override;
  base::Result<Probe> ProbeDisk(const Key& key) const override;
  base::Result<std::vector<KnownBody>> Find(const Key& key) const override;
  bool Submit(std::unique_ptr<Handover>& batch) override;
  Appended AppendAndWait(const RecordHeader& header, std::string_view head,
                         std::string_view body) override;
  Offset durable_end() const override;
  Offset begin() const override;
  bool WaitBeyond(Offset after, int timeout_ms) const override;
  base::Status Read(Offset from, size_t records_max, size_t bytes_max, Block* block) const override;
  base::Result<Record> ReadOne(Offset offset) const override;
  base::Result<std::vector<ControlEntry>> Controls(Offset from, size_t max) const override;
  base::Result<Offset> Archive(Offset before, const std::string& to_directory) override;
  Stats stats() const override;
  std::optional<base::Error> failed() const override;
  void SetFailureHandler(std::function<void(const base::Error&)> on_failure) override;
  base::Status Stop() override;

 private:
  // Opening: journal_open.cc.
  base::Status CheckOptions() const;
  base::Status OpenIndexes();
  base::Status CheckIndexes(const Recovered& recovered) const;
  base::Status ReplayIndexes(const Recovered& recovered);
  base::Status OpenSegments(Recovered& recovered);
  base::Status StartWriting(Recovered& recovered);

  // GroupCommitObserver, on the journal's thread.
  size_t ControlRoom() override;
  void Committed(const std::vector<ControlEntry>& controls, Offset end,
                 const Digest& chain) override;
  void NoSpace() override;
  void Failed(const base::Error& error) override;

  void RunReserve();
  void WakeReserve(uint64_t goal, bool retry);
  base::Result<Probe> ProbeAnyhow(const Key& key) const;
  WriterOptions MakeWriterOptions() const;

  io::FileSystem& files_;
  const base::Clock& clock_;
  const Options options_;
  Recovery recovery_;
  std::unique_ptr<io::DirectoryLock> lock_;
  SegmentSet segments_;
  mutable Reader reader_;
  std::unique_ptr<ControlIndex> control_index_;  // null, as all that follows, when read_only
  std::unique_ptr<KeyIndex> key_index_;
  std::unique_ptr<Reserve> reserve_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<GroupCommit> commit_;
  std::mutex archive_mutex_;

  std::atomic<uint64_t> durable_end_{0};
  mutable std::atomic<uint32_t> waiters_{0};
  mutable std::mutex wait_mutex_;
  mutable std::condition_variable durable_;
  bool stopped_ = false;  // under wait_mutex_

  std::mutex failure_mutex_;
  std::function<void(const base::Error&)> on_failure_;

  // The thread that makes the next segment ready.
  uint64_t reserve_goal_sent_ = 0;  // the journal thread's
  std::mutex reserve_mutex_;
  std::condition_variable reserve_wake_;
  uint64_t reserve_goal_ = 0;
  bool reserve_retry_ = false;
  bool reserve_stopping_ = false;
  std::thread reserve_thread_;
};

}  // namespace weir::journal

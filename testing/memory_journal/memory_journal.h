// A journal in memory: every record is durable as soon as it is added. For tests of what reads one.
//
// Reads and control look-ups can be made to fail, the journal can be told to begin later
// (archived). Threads: as journal::Journal.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "journal/journal.h"

namespace weir::testing {

class MemoryJournal final : public journal::Journal {
 public:
  // Appends; kConflicting is set when the key is taken by another body. Duplicates are appended
  // too: dedupe is the real journal's affair.
  journal::Offset Add(journal::RecordHeader header, std::string head, std::string body);

  // While set, Read() of a window that holds the offset, and ReadOne() of it, fail.
  void FailReadsAt(std::optional<journal::Offset> offset);
  void BeginAt(journal::Offset begin);

  const journal::Recovery& recovery() const override { return recovery_; }
  std::optional<journal::Probe> ProbeMemory(const journal::Key& key) const override;
  base::Result<journal::Probe> ProbeDisk(const journal::Key& key) const override;
  base::Result<std::vector<journal::KnownBody>> Find(const journal::Key& key) const override;
  [[nodiscard]] bool Submit(std::unique_ptr<journal::Handover>& batch) override;
  Appended AppendAndWait(const journal::RecordHeader& header, std::string_view head,
                         std::string_view body) override;
  journal::Offset durable_end() const override;
  journal::Offset begin() const override;
  bool WaitBeyond(journal::Offset after, int timeout_ms) const override;
  base::Status Read(journal::Offset from, size_t records_max, size_t bytes_max,
                    journal::Block* block) const override;
  base::Result<journal::Record> ReadOne(journal::Offset offset) const override;
  base::Result<std::vector<journal::ControlEntry>> Controls(journal::Offset from,
                                                            size_t max) const override;
  base::Result<journal::Offset> Archive(journal::Offset before, const std::string&) override;
  journal::Stats stats() const override;
  std::optional<base::Error> failed() const override { return std::nullopt; }
  void SetFailureHandler(std::function<void(const base::Error&)>) override {}
  base::Status Stop() override { return {}; }

 private:
  base::Status CheckReadable(journal::Offset first, journal::Offset last) const;

  journal::Recovery recovery_;
  mutable std::mutex mutex_;
  mutable std::condition_variable grown_;
  std::deque<journal::Record> records_;  // references stay valid while it grows
  std::vector<journal::ControlEntry> controls_;
  std::map<journal::Key, std::vector<journal::KnownBody>> bodies_;
  std::optional<journal::Offset> fail_at_;
  journal::Offset begin_;
};

}  // namespace weir::testing

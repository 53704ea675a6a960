// The journal of one data directory: the only truth of the program, and its order.
//
// Open() recovers the directory (docs/formats/journal.md) and starts one thread, which writes what
// was submitted in groups: a record is *appended* when it is in a group's buffer and *durable* when
// fdatasync returned for that group. Outcomes come back through each Handover's sink, after that.
//
// Threads: Submit, the readers, Probe and the getters from any thread; Open and Stop from the
// owner. Memory: at most Options::pending_bytes_max of handed-over records wait for the disk.
// Errors: no room for a new segment refuses records with kNoSpace and is tried again; after a
// failed write or sync every later record gets kStopped, failed() says why, and only a new process,
// having recovered the directory, may acknowledge anything again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/file_system.h"
#include "journal/handover.h"
#include "journal/record.h"
#include "observe/counters.h"

namespace weir::journal {

struct Options {
  std::string directory;                  // created when missing, 0700
  uint64_t segment_bytes = 128ull << 20;  // preallocated; 64 KiB to 4 GiB
  size_t batch_bytes_max = 4u << 20;      // bodies and heads in one group
  size_t batch_records_max = 8192;
  size_t pending_bytes_max = 64u << 20;  // handed over and not yet completed
  // Of what was written last, in the system's memory; what is older is read from the disk.
  uint64_t cached_bytes_max = 256u << 20;
  bool compress = true;  // zstd level 1, where it pays
  uint32_t conflicts_per_key_max = 10;
  size_t recent_keys_max = 262'144;  // keys in memory before they move to disk
  std::optional<Offset> cursor_max;  // furthest task cursor: an earlier end is corruption
  bool read_only = false;            // dump, rebuild: no thread, no lock, no repair; without
                                     // the index (Probe*, Find, Controls: kUnsupported)
};

// How opening found the directory; logged and shown to the operator.
struct Recovery {
  Offset end;               // the next offset
  bool sealed = false;      // the last stop was orderly
  uint64_t torn_bytes = 0;  // cut off and kept in torn_file
  std::string torn_file;
  int64_t duration_ms = 0;
};

// An entry of the control index: records flagged kControl, in order of offset.
struct ControlEntry {
  Offset offset;
  uint16_t kind = 0;
  uint8_t flags = 0;
};

// A run of records read together. Views point into it.
struct Block {
  std::vector<RecordView> records;
  std::vector<std::shared_ptr<const std::string>> storage;
  void Clear() {
    records.clear();
    storage.clear();
  }
};

struct Stats {
  Offset end;  // durable
  uint64_t syncs = 0;
  uint64_t records = 0;
  uint64_t bytes_written = 0;
  uint64_t sync_ns_total = 0;
  observe::HistogramSnapshot sync;  // how long each fdatasync took
  uint64_t pending_bytes = 0;
  uint64_t pending_records = 0;
  uint64_t disk_bytes = 0;
  bool no_space = false;  // the last reservation failed
};

class Journal {
 public:
  static base::Result<std::unique_ptr<Journal>> Open(io::FileSystem& files,
                                                     const base::Clock& clock, Options options);
  virtual ~Journal() = default;

  virtual const Recovery& recovery() const = 0;

  // Looks the key up in the older part of the dedupe index. Memory only; nullopt: the disk must be
  // asked, with ProbeDisk(), which may block.
  virtual std::optional<Probe> ProbeMemory(const Key& key) const = 0;
  // A hint that ProbeMemory() of this key comes within a microsecond or so; changes nothing.
  virtual void PrefetchProbe(const Key&) const {}
  virtual base::Result<Probe> ProbeDisk(const Key& key) const = 0;
  // All bodies stored under a key, recent ones included and durable; first body first. May block.
  virtual base::Result<std::vector<KnownBody>> Find(const Key& key) const = 0;

  // Takes the batch. False: pending_bytes_max is reached, and the batch is still the caller's.
  [[nodiscard]] virtual bool Submit(std::unique_ptr<Handover>& batch) = 0;

  // Appends one record and waits until it is durable. Never from a loop. Any outcome but kPending.
  struct Appended {
    Outcome outcome;
    Offset offset;
  };
  virtual Appended AppendAndWait(const RecordHeader& header, std::string_view head,
                                 std::string_view body) = 0;

  // Everything below is durable.
  virtual Offset durable_end() const = 0;
  // The first offset still on disk here (earlier ones are archived).
  virtual Offset begin() const = 0;
  // Waits until durable_end() > after, or until timeout_ms has passed. True: there is more.
  virtual bool WaitBeyond(Offset after, int timeout_ms) const = 0;

  // Records from `from` on, below durable_end(), until `records_max` or `bytes_max` is reached (at
  // least one if there is one); replaces what the block held. kNotFound below begin(); kCorruption
  // names the offsets.
  virtual base::Status Read(Offset from, size_t records_max, size_t bytes_max,
                            Block* block) const = 0;
  virtual base::Result<Record> ReadOne(Offset offset) const = 0;

  // Durable control entries with offset >= from, at most `max`.
  virtual base::Result<std::vector<ControlEntry>> Controls(Offset from, size_t max) const = 0;

  // Moves the oldest segments that end at or below `before` to `to_directory`, with a manifest that
  // carries the chain, and returns the new begin(). Only sealed segments, and only what the dedupe
  // and control indexes cover, so it may move fewer; what tasks have not applied is the caller's to
  // keep out of `before`. May block for long.
  virtual base::Result<Offset> Archive(Offset before, const std::string& to_directory) = 0;

  virtual Stats stats() const = 0;
  // Set once, when a write or sync failed. `on_failure` of SetFailureHandler runs once, on the
  // journal's thread, or at once where it has failed already.
  virtual std::optional<base::Error> failed() const = 0;
  virtual void SetFailureHandler(std::function<void(const base::Error&)> on_failure) = 0;

  // Writes what was submitted, syncs, seals the end, checkpoints the index, ends the thread.
  virtual base::Status Stop() = 0;
};

}  // namespace weir::journal

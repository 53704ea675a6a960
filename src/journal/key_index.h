// The dedupe index: which bodies are stored under which key. Exact, for ever.
//
// The newest keys are in memory, in two tables of fixed size: the *active* one, which Admit()
// fills, and the *frozen* one, which a background thread writes into a run file (run_file.h). Every
// older key is in a run, behind a filter that memory holds (filter.h). Runs are merged in the
// background. Files: docs/formats/index.md.
//
// Where a record is found is decided by its offset alone, and that is why no key is ever missed:
//   - the run set covers C: it holds every keyed record below C and none at or above it;
//   - memory covers M: it holds every keyed record at or above M;
//   - M <= C always, for a frozen table is dropped only after its run was installed.
// A Probe's version is the C of the run set that it was made from. Admit() accepts it if and only
// if version >= M: then the probe and memory together hold every record; what both hold is told
// apart by its offset. Any older probe gets kProbeAgain. Merging moves entries between runs and
// leaves C as it is. A flushed table is kept until the next one must be frozen, so that kProbeAgain
// needs a probe that is older than the filling of half of recent_keys_max.
//
// Start: runs are the checkpoint. The owner opens the index, compares covered() with the journal,
// and replays the records at and above covered().end:
//
//   auto index = KeyIndex::Open(files, options);
//   // The journal begins after covered().end: those keys are lost; refuse to start.
//   // It ends before, or its chain value there differs: this is another journal's index, or the
//   // journal lost its end. The owner decides; DiscardRuns() makes it covered().end == 0.
//   for each batch from covered().end on {
//     for each record: index->Replay(record);
//     index->Durable(the batch's end, the chain value there);
//   }
//
// Segments may be archived only below covered().end; runs outlive them.
//
// Errors: a run that cannot be written (no space or anything else) is tried again every `retry_ms`,
// and failing() says why. Until then nothing is lost: memory holds the keys, and admits half of
// recent_keys_max more; then Admit() answers kIndexFull to new keys, and repeats are still known.
// Once the run is written, the next new key is admitted again.
//
// Damage: a damaged run is moved aside (".damaged") when the index is opened; covered() ends before
// it, and later runs wait on the disk until the replay has reached them. Damage that ProbeDisk(),
// Find() or a merge meets is kCorruption, failing() tells it, the file is moved aside, and the next
// start replays.
//
// Threads: Replay, Admit, Durable from the journal thread; ProbeMemory, ProbeDisk, Find,
// covered, failing and stats from any; Open, DiscardRuns, Stop and the destructor from the owner,
// while no other call runs. DiscardRuns only before the first Replay or Admit.
//
// Memory: two tables of (recent_keys_max / 2 + batch_records_max) entries at 71 to 86 bytes, and 13
// MB for building runs, all touched when opened; 64 KiB for each run being merged; 1.35 bytes for
// each key in the runs, of which at most one slice (slice_entries_max keys) of each run being
// merged is held twice. bench/key_index prints what it comes to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "journal/admission.h"
#include "journal/record.h"

namespace weir::io {
class FileSystem;
}

namespace weir::journal {

struct KeyIndexOptions {
  std::string directory;             // its own; made when missing, 0700
  size_t recent_keys_max = 262'144;  // in both tables together; at least 2
  size_t batch_records_max = 8192;   // admitted between two Durable(); room kept for them on top
  uint32_t conflicts_per_key_max = 10;
  // A table is frozen after this many records even if few have keys: the replay at start stays
  // short.
  uint64_t tail_records_max = 524'288;
  // Stop() writes the active table into a run if replaying it would take more records than this.
  uint64_t tail_kept_at_stop_max = 16'384;
  // Spreads keys over the tables. From a random source, so that nobody can choose keys that
  // collide.
  uint64_t hash_seed = 0;
  // Merging reads and writes no faster; 0: no limit. 80,000 reports/s need 13 MB/s.
  uint64_t merge_bytes_per_second_max = 32ull << 20;
  // Entries under one filter. What a table of the default size holds when it is frozen, 131,072
  // entries and a batch of 8,192, fits in one; while runs are merged, one of each is held twice.
  size_t slice_entries_max = 147'456;
  int retry_ms = 1000;
  // Runs in the background before a run takes its name: what else must be durable up to the new
  // covered() (ControlIndex::Sync). Its failure delays the run like one of its own.
  std::function<base::Status()> before_checkpoint;
};

class KeyIndex final : public Admission {
 public:
  // The run set covers the journal below `end`, where the journal's chain value is `chain`.
  struct Covered {
    Offset end;
    Digest chain;
  };
  struct Stats {
    uint64_t keys_in_memory = 0;  // entries, conflicts included
    uint64_t entries_in_runs = 0;
    uint64_t runs = 0;
    uint64_t runs_memory_bytes = 0;  // filters, fences and the run set itself
    uint64_t tables_memory_bytes = 0;
    uint64_t disk_bytes = 0;
    uint64_t flushes = 0;
    uint64_t merges = 0;
    uint64_t bytes_written = 0;
    uint64_t moved_aside = 0;  // damaged runs, since Open
    bool busy = false;         // a table is being written, or runs are being merged
  };

  static base::Result<std::unique_ptr<KeyIndex>> Open(io::FileSystem& files,
                                                      KeyIndexOptions options);
  // Ends the background thread; writes nothing more: what no run covers is replayed next time.
  ~KeyIndex() override;

  Covered covered() const;
  // Removes all runs: covered().end is 0, and the whole journal is to be replayed.
  base::Status DiscardRuns();

  // Takes a record of the journal as it stands, in order, from covered().end on; earlier ones are
  // ignored. May wait for a table to be written. kNoSpace or kIo: the table cannot be written.
  base::Status Replay(const RecordView& record);

  Admitted Admit(const Key& key, const Digest& sha256, const Probe& probe, Offset next) override;
  void Prefetch(const Key& key) const override;
  // Freezes the active table when it is time. Waits, at the speed of the disk, if the frozen one is
  // still being written and the active one has no room for another batch; not while failing().
  void Durable(Offset end, const Digest& chain) override;

  // Filters only, no disk. nullopt: ask ProbeDisk(). A key that is none() is never in a run.
  std::optional<Probe> ProbeMemory(const Key& key) const;
  // A hint that ProbeMemory() of this key comes soon: what it reads is brought into the cache.
  void PrefetchProbe(const Key& key) const;
  // Reads the disk: at most two blocks of 8 KiB for each run whose filter has the key.
  base::Result<Probe> ProbeDisk(const Key& key) const;
  // All durable bodies under the key, in order of offset. Reads the disk.
  base::Result<std::vector<KnownBody>> Find(const Key& key) const;

  // Why no run can be written at present, or what damage was found.
  std::optional<base::Error> failing() const;
  Stats stats() const;

  // After the journal thread's last Durable(). Finishes a table that is being written, abandons
  // merges, and writes the active table if its tail is long. An error leaves more to replay.
  base::Status Stop();

 private:
  class Impl;
  explicit KeyIndex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads every byte of every run in `directory` and checks checksums, order and filters. The number
// of entries read; kCorruption names the file and what is wrong. A missing directory has no runs.
base::Result<uint64_t> VerifyRuns(io::FileSystem& files, const std::string& directory);

}  // namespace weir::journal

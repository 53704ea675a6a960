// Files and directories in memory, which fail as disks do: reproducibly, by seed.
//
// It knows which bytes and which names were synced. LosePower() drops, tears and reorders what was
// not: of each unsynced write any bytes may be there, or zeros, or garbage in its place; of a
// directory's unsynced changes the first few. A sync of a file that fails leaves what it should
// have written readable, and a later sync does not write it again (as Linux does).
//
// After LosePower() or Kill() every File and lock from before is dead, as its process would be, and
// calls that were to fail are forgotten.
// Threads: any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "io/file_system.h"

namespace weir::testing {

class FaultyFileSystem final : public io::FileSystem {
 public:
  explicit FaultyFileSystem(uint64_t seed);
  ~FaultyFileSystem() override;

  // Every call of the seam counts, from 0 on: a test walks them all by making each one fail in
  // turn.
  uint64_t calls() const;
  // The call with this number fails once: a write after a part of it, a sync as described above.
  void FailCall(uint64_t number, base::ErrorCode code);
  // From this call on everything fails, until LosePower(). A write there may be done in part.
  void CutPowerAtCall(uint64_t number);
  bool power_is_off() const;

  void LosePower();
  void Kill();  // the process is gone, the machine is not: nothing is lost

  // Files may hold this much together; more is kNoSpace.
  void SetCapacity(uint64_t bytes);
  uint64_t used_bytes() const;
  // Runs at each sync of a file, before it is done, on the syncing thread: a slow disk.
  void SetSyncHook(std::function<void()> hook);

  std::string Contents(const std::string& path) const;           // must exist
  void SetContents(const std::string& path, std::string bytes);  // durable at once
  void FlipBit(const std::string& path, uint64_t bit);

  base::Result<std::unique_ptr<io::File>> Open(const std::string& path, io::OpenMode mode) override;
  base::Result<std::vector<std::string>> List(const std::string& directory) const override;
  base::Status Rename(const std::string& from, const std::string& to) override;
  base::Status Remove(const std::string& path) override;
  base::Status MakeDirectories(const std::string& path) override;
  base::Status SyncDirectory(const std::string& path) override;
  base::Result<bool> Exists(const std::string& path) const override;
  base::Result<uint64_t> FreeBytes(const std::string& path) const override;
  base::Result<std::unique_ptr<io::DirectoryLock>> Lock(const std::string& directory) override;

 private:
  class OpenFile;
  class HeldLock;
  struct Change {  // of a file's bytes; a size without bytes is a truncation or a reservation
    uint64_t at = 0;
    std::string bytes;
    std::optional<uint64_t> size;
  };
  struct Inode {
    std::string live;
    std::string durable;
    std::vector<Change> unsynced;
  };
  struct NameChange {  // of a directory: the name's file, or none
    std::string path;
    std::shared_ptr<Inode> inode;
    bool with_next = false;  // atomic with the change after it
  };

  // Counts a call; the error with which it fails, if it does.
  std::optional<base::Error> Enter(const char* what, const std::string& path) const;
  static void Apply(const Change& change, std::string* bytes);
  void ApplyUnsure(const Change& change, std::string* bytes);
  void SettleNames(std::vector<NameChange>& changes);
  base::Status WriteAt(Inode& inode, const std::string& path, uint64_t at, std::string bytes);
  base::Status Sync(Inode& inode, const std::string& path);
  base::Status Resize(Inode& inode, const std::string& path, uint64_t size, bool only_grow);
  uint64_t UsedBytes() const;
  uint64_t Random(uint64_t below);

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  mutable uint64_t calls_ = 0;
  std::map<uint64_t, base::ErrorCode> failures_;
  std::optional<uint64_t> cut_at_;
  mutable bool power_off_ = false;
  uint64_t epoch_ = 0;  // of Files and locks
  uint64_t capacity_ = UINT64_MAX;
  std::function<void()> sync_hook_;
  std::map<std::string, std::shared_ptr<Inode>> live_;
  std::map<std::string, std::shared_ptr<Inode>> durable_;
  std::map<std::string, std::vector<NameChange>> unsynced_names_;  // by directory
  std::set<std::string> directories_;
  std::set<std::string> locked_;
};

}  // namespace weir::testing

#include "testing/disk/faulty_file_system.h"

#include <algorithm>

#include "base/check.h"

namespace weir::testing {
namespace {

using base::ErrorCode;
using base::Result;
using base::Status;

constexpr uint64_t kSector = 512;

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

class FaultyFileSystem::OpenFile final : public io::File {
 public:
  OpenFile(FaultyFileSystem& disk, std::shared_ptr<Inode> inode, std::string path, bool writable)
      : disk_(disk),
        inode_(std::move(inode)),
        path_(std::move(path)),
        writable_(writable),
        epoch_(disk.epoch_) {}

  Result<size_t> ReadAt(uint64_t at, std::span<char> to) const override {
    const std::lock_guard lock(disk_.mutex_);
    if (auto error = Enter("read")) return base::Fail(*error);
    const std::string& bytes = inode_->live;
    if (at >= bytes.size()) return size_t{0};
    const size_t count = std::min<size_t>(to.size(), bytes.size() - at);
    std::copy_n(bytes.data() + at, count, to.data());
    return count;
  }
  Status WriteAt(uint64_t at, std::span<const std::string_view> parts) override {
    std::string bytes;
    for (const std::string_view part : parts) bytes += part;
    const std::lock_guard lock(disk_.mutex_);
    WEIR_CHECK(writable_);
    if (dead()) return base::Fail(Dead());
    return disk_.WriteAt(*inode_, path_, at, std::move(bytes));
  }
  Status SyncData() override {
    std::function<void()> hook;
    {
      const std::lock_guard lock(disk_.mutex_);
      hook = disk_.sync_hook_;
    }
    if (hook) hook();
    const std::lock_guard lock(disk_.mutex_);
    if (dead()) return base::Fail(Dead());
    return disk_.Sync(*inode_, path_);
  }
  Status Allocate(uint64_t size) override {
    const std::lock_guard lock(disk_.mutex_);
    if (dead()) return base::Fail(Dead());
    return disk_.Resize(*inode_, path_, size, true);
  }
  Status Truncate(uint64_t size) override {
    const std::lock_guard lock(disk_.mutex_);
    if (dead()) return base::Fail(Dead());
    return disk_.Resize(*inode_, path_, size, false);
  }
  Status ForgetCached(uint64_t at, uint64_t size) override {
    const std::lock_guard lock(disk_.mutex_);
    if (auto error = Enter("reread")) return base::Fail(*error);
    WEIR_CHECK(inode_->unsynced.empty());
    const std::string& durable = inode_->durable;
    const uint64_t end = std::min({at + size, durable.size(), inode_->live.size()});
    if (at < end) std::copy_n(durable.data() + at, end - at, inode_->live.data() + at);
    return {};
  }
  Result<uint64_t> Size() const override {
    const std::lock_guard lock(disk_.mutex_);
    if (auto error = Enter("examine")) return base::Fail(*error);
    return inode_->live.size();
  }

 private:
  bool dead() const { return epoch_ != disk_.epoch_; }
  base::Error Dead() const { return {ErrorCode::kIo, path_ + ": its process is gone"}; }
  std::optional<base::Error> Enter(const char* what) const {
    if (dead()) return Dead();
    return disk_.Enter(what, path_);
  }

  FaultyFileSystem& disk_;
  const std::shared_ptr<Inode> inode_;  // shared with the directory, and outlives its name there
  const std::string path_;
  const bool writable_;
  const uint64_t epoch_;
};

class FaultyFileSystem::HeldLock final : public io::DirectoryLock {
 public:
  HeldLock(FaultyFileSystem& disk, std::string directory)
      : disk_(disk), directory_(std::move(directory)), epoch_(disk.epoch_) {}
  ~HeldLock() override {
    const std::lock_guard lock(disk_.mutex_);
    if (epoch_ == disk_.epoch_) disk_.locked_.erase(directory_);
  }

 private:
  FaultyFileSystem& disk_;
  const std::string directory_;
  const uint64_t epoch_;
};

FaultyFileSystem::FaultyFileSystem(uint64_t seed) : random_(seed), directories_{".", "/", ""} {}
FaultyFileSystem::~FaultyFileSystem() = default;

uint64_t FaultyFileSystem::Random(uint64_t below) { return random_() % below; }

std::optional<base::Error> FaultyFileSystem::Enter(const char* what,
                                                   const std::string& path) const {
  const uint64_t number = calls_++;
  if (cut_at_ && number >= *cut_at_) power_off_ = true;
  if (power_off_) return base::Error{ErrorCode::kIo, path + ": the power is off"};
  const auto failure = failures_.find(number);
  if (failure == failures_.end()) return std::nullopt;
  return base::Error{failure->second,
                     std::string("cannot ") + what + " " + path + ": made to fail"};
}

uint64_t FaultyFileSystem::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}
void FaultyFileSystem::FailCall(uint64_t number, ErrorCode code) {
  const std::lock_guard lock(mutex_);
  failures_[number] = code;
}
void FaultyFileSystem::CutPowerAtCall(uint64_t number) {
  const std::lock_guard lock(mutex_);
  cut_at_ = number;
}
bool FaultyFileSystem::power_is_off() const {
  const std::lock_guard lock(mutex_);
  return power_off_;
}
void FaultyFileSystem::SetCapacity(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}
uint64_t FaultyFileSystem::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return UsedBytes();
}
void FaultyFileSystem::SetSyncHook(std::function<void()> hook) {
  const std::lock_guard lock(mutex_);
  sync_hook_ = std::move(hook);
}

uint64_t FaultyFileSystem::UsedBytes() const {
  uint64_t used = 0;
  for (const auto& [path, inode] : live_) used += inode->live.size();
  return used;
}

void FaultyFileSystem::Apply(const Change& change, std::string* bytes) {
  if (change.size) {
    bytes->resize(*change.size, '\0');
    return;
  }
  if (bytes->size() < change.at + change.bytes.size()) {
    bytes->resize(change.at + change.bytes.size(), '\0');
  }
  std::copy(change.bytes.begin(), change.bytes.end(),
            bytes->begin() + static_cast<ptrdiff_t>(change.at));
}

// What may become of a change that was not synced.
void FaultyFileSystem::ApplyUnsure(const Change& change, std::string* bytes) {
  if (change.size || change.bytes.empty()) {
    if (Random(2) == 0) Apply(change, bytes);
    return;
  }
  switch (Random(5)) {
    case 0:
      return;
    case 1:
      return Apply(change, bytes);
    case 2: {  // torn at any byte
      Change torn = change;
      torn.bytes.resize(Random(change.bytes.size() + 1));
      return Apply(torn, bytes);
    }
    default:
      break;
  }
  // Sector by sector: written, not written, zeros or garbage.
  const uint64_t end = change.at + change.bytes.size();
  for (uint64_t at = change.at; at < end;) {
    const uint64_t next = std::min(end, (at / kSector + 1) * kSector);
    Change sector{at, change.bytes.substr(at - change.at, next - at), std::nullopt};
    const uint64_t fate = Random(8);
    if (fate == 0) std::fill(sector.bytes.begin(), sector.bytes.end(), '\0');
    if (fate == 1) {
      for (char& byte : sector.bytes) byte = static_cast<char>(Random(256));
    }
    if (fate >= 4 || fate < 2) Apply(sector, bytes);
    at = next;
  }
}

void FaultyFileSystem::SettleNames(std::vector<NameChange>& changes) {
  size_t kept = Random(changes.size() + 1);
  if (kept > 0 && changes[kept - 1].with_next) ++kept;
  for (size_t i = 0; i < kept; ++i) {
    if (changes[i].inode) {
      durable_[changes[i].path] = changes[i].inode;
    } else {
      durable_.erase(changes[i].path);
    }
  }
}

void FaultyFileSystem::LosePower() {
  const std::lock_guard lock(mutex_);
  for (auto& [directory, changes] : unsynced_names_) SettleNames(changes);
  unsynced_names_.clear();
  live_ = durable_;
  std::set<Inode*> settled;
  for (auto& [path, inode] : live_) {
    if (!settled.insert(inode.get()).second) continue;
    // Unsynced changes of one file reach the disk in any order.
    std::shuffle(inode->unsynced.begin(), inode->unsynced.end(), random_);
    for (const Change& change : inode->unsynced) ApplyUnsure(change, &inode->durable);
    inode->unsynced.clear();
    inode->live = inode->durable;
  }
  locked_.clear();
  failures_.clear();
  cut_at_.reset();
  power_off_ = false;
  ++epoch_;
}

void FaultyFileSystem::Kill() {
  const std::lock_guard lock(mutex_);
  locked_.clear();
  failures_.clear();
  cut_at_.reset();
  power_off_ = false;
  ++epoch_;
}

std::string FaultyFileSystem::Contents(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(path);
  WEIR_CHECK_MSG(found != live_.end(), path);
  return found->second->live;
}

void FaultyFileSystem::SetContents(const std::string& path, std::string bytes) {
  const std::lock_guard lock(mutex_);
  auto inode = std::make_shared<Inode>();
  inode->live = inode->durable = std::move(bytes);
  live_[path] = durable_[path] = std::move(inode);
}

void FaultyFileSystem::FlipBit(const std::string& path, uint64_t bit) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(path);
  WEIR_CHECK_MSG(found != live_.end() && bit / 8 < found->second->live.size(), path);
  for (std::string* bytes : {&found->second->live, &found->second->durable}) {
    if (bit / 8 < bytes->size()) (*bytes)[bit / 8] ^= static_cast<char>(1 << (bit % 8));
  }
}

Status FaultyFileSystem::WriteAt(Inode& inode, const std::string& path, uint64_t at,
                                 std::string bytes) {
  const bool was_off = power_off_;
  auto error = Enter("write", path);
  const uint64_t end = at + bytes.size();
  if (!error && end > inode.live.size() && UsedBytes() + end - inode.live.size() > capacity_) {
    error = base::Error{ErrorCode::kNoSpace, "cannot write " + path + ": the disk is full"};
  }
  if (error) bytes.resize(was_off ? 0 : Random(bytes.size() + 1));
  if (UsedBytes() + bytes.size() > capacity_ && end > inode.live.size()) bytes.clear();
  if (!bytes.empty()) {
    Change change{at, std::move(bytes), std::nullopt};
    Apply(change, &inode.live);
    inode.unsynced.push_back(std::move(change));
  }
  if (error) return base::Fail(*error);
  return {};
}

Status FaultyFileSystem::Sync(Inode& inode, const std::string& path) {
  const bool was_off = power_off_;
  if (const auto error = Enter("sync", path)) {
    if (!was_off && !power_off_) {
      for (const Change& change : inode.unsynced) ApplyUnsure(change, &inode.durable);
      inode.unsynced.clear();
    }
    return base::Fail(*error);
  }
  for (const Change& change : inode.unsynced) Apply(change, &inode.durable);
  inode.unsynced.clear();
  return {};
}

Status FaultyFileSystem::Resize(Inode& inode, const std::string& path, uint64_t size,
                                bool only_grow) {
  if (const auto error = Enter(only_grow ? "reserve" : "truncate", path)) {
    return base::Fail(*error);
  }
  if (only_grow && size <= inode.live.size()) return {};
  if (only_grow && UsedBytes() + size - inode.live.size() > capacity_) {
    return base::Fail(ErrorCode::kNoSpace, "cannot reserve " + path + ": the disk is full");
  }
  Change change{0, "", size};
  Apply(change, &inode.live);
  inode.unsynced.push_back(std::move(change));
  return {};
}

Result<std::unique_ptr<io::File>> FaultyFileSystem::Open(const std::string& path,
                                                         io::OpenMode mode) {
  const std::lock_guard lock(mutex_);
  if (const auto error = Enter("open", path)) return base::Fail(*error);
  auto found = live_.find(path);
  if (found != live_.end() && mode == io::OpenMode::kCreateNew) {
    return base::Fail(ErrorCode::kAlreadyExists, path + " exists");
  }
  if (found == live_.end()) {
    const std::string directory = DirectoryOf(path);
    if (mode == io::OpenMode::kRead || mode == io::OpenMode::kReadWrite ||
        !directories_.contains(directory)) {
      return base::Fail(ErrorCode::kNotFound, path + " does not exist");
    }
    found = live_.emplace(path, std::make_shared<Inode>()).first;
    unsynced_names_[directory].push_back({path, found->second, false});
  }
  return std::make_unique<OpenFile>(*this, found->second, path, mode != io::OpenMode::kRead);
}

Result<std::vector<std::string>> FaultyFileSystem::List(const std::string& directory) const {
  const std::lock_guard lock(mutex_);
  if (const auto error = Enter("list", directory)) return base::Fail(*error);
  if (!directories_.contains(directory)) {
    return base::Fail(ErrorCode::kNotFound, directory + " does not exist");
  }
  std::vector<std::string> names;
  for (const auto& [path, inode] : live_) {
    if (DirectoryOf(path) == directory) names.push_back(path.substr(path.find_last_of('/') + 1));
  }
  for (const std::string& path : directories_) {
    if (path.find('/') != std::string::npos && DirectoryOf(path) == directory) {
      names.push_back(path.substr(path.find_last_of('/') + 1));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status FaultyFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (const auto error = Enter("rename", from)) return base::Fail(*error);
  const auto found = live_.find(from);
  if (found == live_.end()) return base::Fail(ErrorCode::kNotFound, from + " does not exist");
  const std::shared_ptr<Inode> inode = found->second;
  live_.erase(found);
  live_[to] = inode;
  auto& changes = unsynced_names_[DirectoryOf(to)];
  changes.push_back({to, inode, true});
  changes.push_back({from, nullptr, false});
  return {};
}

Status FaultyFileSystem::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const auto error = Enter("remove", path)) return base::Fail(*error);
  if (live_.erase(path) == 0) return base::Fail(ErrorCode::kNotFound, path + " does not exist");
  unsynced_names_[DirectoryOf(path)].push_back({path, nullptr, false});
  return {};
}

Status FaultyFileSystem::MakeDirectories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const auto error = Enter("make directory", path)) return base::Fail(*error);
  for (std::string at = path; !directories_.contains(at); at = DirectoryOf(at)) {
    directories_.insert(at);
  }
  return {};
}

Status FaultyFileSystem::SyncDirectory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (const auto error = Enter("sync", path)) return base::Fail(*error);
  for (const NameChange& change : unsynced_names_[path]) {
    if (change.inode) {
      durable_[change.path] = change.inode;
    } else {
      durable_.erase(change.path);
    }
  }
  unsynced_names_.erase(path);
  return {};
}

Result<bool> FaultyFileSystem::Exists(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  if (const auto error = Enter("examine", path)) return base::Fail(*error);
  return live_.contains(path) || directories_.contains(path);
}

Result<uint64_t> FaultyFileSystem::FreeBytes(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  if (const auto error = Enter("examine", path)) return base::Fail(*error);
  const uint64_t used = UsedBytes();
  return capacity_ > used ? capacity_ - used : 0;
}

Result<std::unique_ptr<io::DirectoryLock>> FaultyFileSystem::Lock(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  if (const auto error = Enter("lock", directory)) return base::Fail(*error);
  if (!locked_.insert(directory).second) {
    return base::Fail(ErrorCode::kUnavailable, directory + " is in use by another process");
  }
  return std::make_unique<HeldLock>(*this, directory);
}

}  // namespace weir::testing

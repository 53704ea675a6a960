// The seam to files and directories. posix_file_system.h is the real one; testing/ has a twin that
// loses power, fails, fills up and flips bits by seed.
//
// What survives what: bytes given to WriteAt() survive a crash of the process at once, and a loss
// of power once a later SyncData() of that file returned. A file's name (created, renamed, removed)
// survives a loss of power once SyncDirectory() of its directory returned.
//
// Errors: ENOSPC and EDQUOT are kNoSpace, a missing file or directory is kNotFound, one that exists
// already is kAlreadyExists, missing rights are kPermission, everything else is kIo. Messages name
// the path and the operating system's reason. After a failed SyncData() what was written since the
// last one is unknown: nobody may sync again and believe it.
//
// Threads: FileSystem from any. A File from any, also at once; the order of overlapping writes is
// the caller's affair.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::io {

class File {
 public:
  virtual ~File() = default;  // closes

  // Bytes read into `to`, from `at` on: fewer than asked for only at the end of the file.
  virtual base::Result<size_t> ReadAt(uint64_t at, std::span<char> to) const = 0;
  // All of the parts, one after the other, or an error; after an error any of it may be there.
  virtual base::Status WriteAt(uint64_t at, std::span<const std::string_view> parts) = 0;
  base::Status WriteAt(uint64_t at, std::string_view bytes) { return WriteAt(at, {&bytes, 1}); }
  // Everything written before the call, and the size needed to read it, is durable.
  virtual base::Status SyncData() = 0;
  // Reserves blocks below `size` and grows the file to it, reading as zeros: writes below do not
  // fail for want of space. Never shrinks. kNoSpace leaves the size as it was.
  virtual base::Status Allocate(uint64_t size) = 0;
  virtual base::Status Truncate(uint64_t size) = 0;
  // Later reads of [at, at + size) come from the disk, not from memory, which is given back. Only
  // after SyncData(), by the file's only writer. Also for who must know what a sync that failed in
  // another process left there: the system keeps such bytes readable and takes them for written.
  virtual base::Status ForgetCached(uint64_t at, uint64_t size) = 0;
  virtual base::Result<uint64_t> Size() const = 0;
};

enum class OpenMode {
  kRead,       // must exist; writes fail
  kReadWrite,  // must exist
  kCreate,     // read and write; made with mode 0600 if missing, kept as it is if not
  kCreateNew,  // read and write; kAlreadyExists if it exists
};

// Held until destroyed or until the process ends, however it ends.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual base::Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // Names in the directory, sorted, without "." and "..".
  virtual base::Result<std::vector<std::string>> List(const std::string& directory) const = 0;
  // Replaces `to` if it exists; atomic. Both on one file system, or kIo.
  virtual base::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual base::Status Remove(const std::string& path) = 0;
  // The directory and its missing parents, each 0700 and durable in its own parent.
  virtual base::Status MakeDirectories(const std::string& path) = 0;
  virtual base::Status SyncDirectory(const std::string& path) = 0;
  virtual base::Result<bool> Exists(const std::string& path) const = 0;
  // Free for this user on the file system that holds `path`, which exists.
  virtual base::Result<uint64_t> FreeBytes(const std::string& path) const = 0;
  // An exclusive lock on a file LOCK in the directory, among processes and within this one.
  // kUnavailable: somebody else holds it.
  virtual base::Result<std::unique_ptr<DirectoryLock>> Lock(const std::string& directory) = 0;
};

std::string JoinPath(std::string_view directory, std::string_view name);

// The whole file; kTooLarge past `size_max`.
base::Result<std::string> ReadWhole(FileSystem& files, const std::string& path, uint64_t size_max);

// Replaces `name` in `directory` durably: a crash at any instant leaves the old bytes or the new.
// Uses `name`.new, which a crash may leave behind.
base::Status ReplaceWhole(FileSystem& files, const std::string& directory, const std::string& name,
                          std::string_view bytes);

// Copies a file, in pieces, to `name` in `directory`, durably and as ReplaceWhole() does.
struct CopiedFile {
  uint64_t bytes = 0;
  uint32_t crc32c = 0;
};
base::Result<CopiedFile> CopyWhole(FileSystem& files, const std::string& from,
                                   const std::string& directory, const std::string& name);

}  // namespace weir::io

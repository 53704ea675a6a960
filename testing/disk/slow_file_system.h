// A file system whose syncs take as long as those of a slow disk.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "io/file_system.h"

namespace weir::testing {

class SlowFileSystem final : public io::FileSystem {
 public:
  // Each SyncData() takes at least `sync`; everything else is that of `beneath`, which outlives it.
  SlowFileSystem(io::FileSystem& beneath, std::chrono::milliseconds sync)
      : beneath_(beneath), sync_(sync) {}

  base::Result<std::unique_ptr<io::File>> Open(const std::string& path, io::OpenMode mode) override;
  base::Result<std::vector<std::string>> List(const std::string& directory) const override {
    return beneath_.List(directory);
  }
  base::Status Rename(const std::string& from, const std::string& to) override {
    return beneath_.Rename(from, to);
  }
  base::Status Remove(const std::string& path) override { return beneath_.Remove(path); }
  base::Status MakeDirectories(const std::string& path) override {
    return beneath_.MakeDirectories(path);
  }
  base::Status SyncDirectory(const std::string& path) override {
    return beneath_.SyncDirectory(path);
  }
  base::Result<bool> Exists(const std::string& path) const override {
    return beneath_.Exists(path);
  }
  base::Result<uint64_t> FreeBytes(const std::string& path) const override {
    return beneath_.FreeBytes(path);
  }
  base::Result<std::unique_ptr<io::DirectoryLock>> Lock(const std::string& directory) override {
    return beneath_.Lock(directory);
  }

 private:
  io::FileSystem& beneath_;
  const std::chrono::milliseconds sync_;
};

}  // namespace weir::testing

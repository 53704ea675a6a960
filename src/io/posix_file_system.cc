#include "io/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace weir::io {
namespace {

using base::ErrorCode;
using base::Result;
using base::Status;

tl::unexpected<base::Error> FailErrno(int error, const char* what, const std::string& path) {
  ErrorCode code = ErrorCode::kIo;
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::kNoSpace;
      break;
    case ENOENT:
      code = ErrorCode::kNotFound;
      break;
    case EEXIST:
      code = ErrorCode::kAlreadyExists;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::kPermission;
      break;
    default:
      break;
  }
  return base::Fail(code,
                    std::string(what) + " " + path + ": " + std::generic_category().message(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

template <class Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

Result<Descriptor> OpenDescriptor(const std::string& path, int flags) {
  const int fd = Retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); });
  if (fd < 0) return FailErrno(errno, "cannot open", path);
  return Descriptor(fd);
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t at, std::span<char> to) const override {
    size_t done = 0;
    while (done < to.size()) {
      const ssize_t got = Retry([&] {
        return ::pread(fd_.get(), to.data() + done, to.size() - done,
                       static_cast<off_t>(at + done));
      });
      if (got < 0) return FailErrno(errno, "cannot read", path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Status WriteAt(uint64_t at, std::span<const std::string_view> parts) override {
    constexpr size_t kPartsAtOnce = 64;
    size_t first = 0;
    size_t skip = 0;  // of parts[first], already written
    while (first < parts.size()) {
      std::array<iovec, kPartsAtOnce> vector;
      size_t count = 0;
      for (size_t i = first; i < parts.size() && count < kPartsAtOnce; ++i) {
        const std::string_view part = parts[i].substr(i == first ? skip : 0);
        vector[count++] = {const_cast<char*>(part.data()), part.size()};
      }
      const ssize_t wrote = Retry([&] {
        return ::pwritev(fd_.get(), vector.data(), static_cast<int>(count), static_cast<off_t>(at));
      });
      if (wrote < 0) return FailErrno(errno, "cannot write", path_);
      at += static_cast<uint64_t>(wrote);
      skip += static_cast<size_t>(wrote);
      const size_t before = first;
      while (first < parts.size() && skip >= parts[first].size()) skip -= parts[first++].size();
      if (wrote == 0 && first == before) return FailErrno(EIO, "cannot write", path_);
    }
    return {};
  }

  Status SyncData() override {
    if (Retry([&] { return ::fdatasync(fd_.get()); }) < 0) {
      return FailErrno(errno, "cannot sync", path_);
    }
    return {};
  }

  Status Allocate(uint64_t size) override {
    WEIR_ASSIGN_OR_RETURN(const uint64_t before, Size());
    if (size <= before) return {};
    if (Retry([&] { return ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)); }) == 0) {
      return {};
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) return GiveBack(errno, before);
    // A file system without fallocate: zeros reserve the same blocks.
    const std::string zeros(1u << 20, '\0');
    for (uint64_t at = before; at < size;) {
      const uint64_t step = std::min<uint64_t>(zeros.size(), size - at);
      if (auto written = File::WriteAt(at, std::string_view(zeros).substr(0, step)); !written) {
        ::ftruncate(fd_.get(), static_cast<off_t>(before));
        return written;
      }
      at += step;
    }
    return {};
  }

  Status Truncate(uint64_t size) override {
    if (Retry([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) < 0) {
      return FailErrno(errno, "cannot truncate", path_);
    }
    return {};
  }

  Status ForgetCached(uint64_t at, uint64_t size) override {
    const int error = ::posix_fadvise(fd_.get(), static_cast<off_t>(at), static_cast<off_t>(size),
                                      POSIX_FADV_DONTNEED);
    if (error != 0) return FailErrno(error, "cannot reread", path_);
    return {};
  }

  Result<uint64_t> Size() const override {
    struct stat info;
    if (::fstat(fd_.get(), &info) < 0) return FailErrno(errno, "cannot examine", path_);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  // A refused fallocate may have reserved a part, beyond or within the old size.
  Status GiveBack(int error, uint64_t before) {
    if (::ftruncate(fd_.get(), static_cast<off_t>(before)) < 0) {
      return FailErrno(errno, "cannot truncate", path_);
    }
    return FailErrno(error, "cannot reserve space for", path_);
  }

  Descriptor fd_;
  std::string path_;
};

class FlockedDirectory final : public DirectoryLock {
 public:
  explicit FlockedDirectory(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;
};

class Posix final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    int flags = 0;
    switch (mode) {
      case OpenMode::kRead:
        flags = O_RDONLY;
        break;
      case OpenMode::kReadWrite:
        flags = O_RDWR;
        break;
      case OpenMode::kCreate:
        flags = O_RDWR | O_CREAT;
        break;
      case OpenMode::kCreateNew:
        flags = O_RDWR | O_CREAT | O_EXCL;
        break;
    }
    WEIR_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, flags));
    return std::make_unique<PosixFile>(std::move(fd), path);
  }

  Result<std::vector<std::string>> List(const std::string& directory) const override {
    const std::unique_ptr<DIR, int (*)(DIR*)> opened(::opendir(directory.c_str()), ::closedir);
    if (!opened) return FailErrno(errno, "cannot list", directory);
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* const entry = ::readdir(opened.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return FailErrno(errno, "cannot list", directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) < 0) return FailErrno(errno, "cannot rename", from);
    return {};
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) < 0) return FailErrno(errno, "cannot remove", path);
    return {};
  }

  Status MakeDirectories(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) {
      if (S_ISDIR(info.st_mode)) return {};
      return FailErrno(ENOTDIR, "cannot make directory", path);
    }
    const size_t end = path.find_last_not_of('/');
    const size_t slash = end == std::string::npos ? end : path.find_last_of('/', end);
    const std::string parent =
        slash == std::string::npos ? "." : (slash == 0 ? "/" : path.substr(0, slash));
    WEIR_RETURN_IF_ERROR(MakeDirectories(parent));
    if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) {
      return FailErrno(errno, "cannot make directory", path);
    }
    return SyncDirectory(parent);
  }

  Status SyncDirectory(const std::string& path) override {
    WEIR_ASSIGN_OR_RETURN(const Descriptor fd, OpenDescriptor(path, O_RDONLY | O_DIRECTORY));
    if (Retry([&] { return ::fsync(fd.get()); }) < 0) return FailErrno(errno, "cannot sync", path);
    return {};
  }

  Result<bool> Exists(const std::string& path) const override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return FailErrno(errno, "cannot examine", path);
  }

  Result<uint64_t> FreeBytes(const std::string& path) const override {
    struct statvfs info;
    if (Retry([&] { return ::statvfs(path.c_str(), &info); }) < 0) {
      return FailErrno(errno, "cannot examine", path);
    }
    return uint64_t{info.f_bavail} * info.f_frsize;
  }

  Result<std::unique_ptr<DirectoryLock>> Lock(const std::string& directory) override {
    const std::string path = JoinPath(directory, "LOCK");
    WEIR_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, O_RDWR | O_CREAT));
    if (Retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) < 0) {
      if (errno != EWOULDBLOCK) return FailErrno(errno, "cannot lock", path);
      return base::Fail(ErrorCode::kUnavailable, directory + " is in use by another process");
    }
    return std::make_unique<FlockedDirectory>(std::move(fd));
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static Posix& instance = *new Posix;
  return instance;
}

}  // namespace weir::io

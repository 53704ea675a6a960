#include "security/private_file.h"

#include <sys/random.h>
#include <sys/stat.h>

#include "base/check.h"
#include "io/posix_file_system.h"

namespace weir::security {

using base::ErrorCode;
using base::Fail;

base::Result<std::optional<std::string>> ReadPrivate(const std::string& path, uint64_t size_max) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    return Fail(ErrorCode::kPermission,
                path + " holds secrets and others may read or write it: chmod 600 " + path);
  }
  auto bytes = io::ReadWhole(io::PosixFileSystem(), path, size_max);
  if (bytes) return std::optional(std::move(*bytes));
  if (bytes.error().code == ErrorCode::kNotFound) return std::optional<std::string>();
  return Fail(std::move(bytes).error());
}

base::Status ReplacePrivate(const std::string& directory, const std::string& name,
                            std::string_view bytes) {
  io::FileSystem& files = io::PosixFileSystem();
  WEIR_RETURN_IF_ERROR(files.MakeDirectories(directory));
  return io::ReplaceWhole(files, directory, name, bytes);
}

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  // Up to 256 bytes come whole (getrandom(2)).
  WEIR_CHECK(size <= 256);
  WEIR_CHECK(getrandom(bytes.data(), size, 0) == static_cast<ssize_t>(size));
  return bytes;
}

}  // namespace weir::security

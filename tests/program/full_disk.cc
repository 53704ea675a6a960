// A full disk for a program that has this in LD_PRELOAD: while the file named by FULL_DISK is
// there, no file grows, as on a file system without a free block; what is reserved can be written.
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace {

bool GrowsOnFullDisk(int file, off_t end) {
  static const char* const full = std::getenv("FULL_DISK");
  struct stat info;
  return full && access(full, F_OK) == 0 && fstat(file, &info) == 0 && S_ISREG(info.st_mode) &&
         end > info.st_size;
}

int NoSpace() {
  errno = ENOSPC;
  return -1;
}

}  // namespace

extern "C" {

int fallocate(int file, int mode, off_t at, off_t size) {
  if (GrowsOnFullDisk(file, at + size)) return NoSpace();
  return static_cast<int>(syscall(SYS_fallocate, file, mode, at, size));
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off_t at) {
  if (GrowsOnFullDisk(file, at + static_cast<off_t>(size))) return NoSpace();
  return syscall(SYS_pwrite64, file, bytes, size, at);
}

ssize_t pwritev(int file, const iovec* parts, int count, off_t at) {
  size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  if (GrowsOnFullDisk(file, at + static_cast<off_t>(size))) return NoSpace();
  return syscall(SYS_pwritev, file, parts, count, at, 0L);
}
}

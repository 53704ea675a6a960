// The operating system's files, through open(2), pread(2), pwritev(2), fdatasync(2), fallocate(2)
// and flock(2). Interrupted and short calls are completed.
#pragma once

#include "io/file_system.h"

namespace weir::io {

// Any thread; never destroyed.
FileSystem& PosixFileSystem();

}  // namespace weir::io

#include "exec/thread.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace weir::exec {

void SetThreadName(std::string_view name) {
  char buffer[16] = {};
  std::memcpy(buffer, name.data(), std::min(name.size(), sizeof buffer - 1));
  pthread_setname_np(pthread_self(), buffer);
}

bool SetThreadNice(int nice) {
  // On Linux the value belongs to the thread, not to the process (setpriority(2), "C library/kernel
  // differences").
  return setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice) == 0;
}

}  // namespace weir::exec

#include "app/signals.h"

#include <csignal>
#include <ctime>

namespace weir::app {
namespace {

sigset_t Taken() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

Signals::Signals() {
  const sigset_t set = Taken();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

int Signals::Wait(int timeout_ms) const {
  const sigset_t set = Taken();
  const timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
  const int signal = sigtimedwait(&set, nullptr, &timeout);
  return signal > 0 ? signal : 0;
}

}  // namespace weir::app

// Whether the program may be sent requests, and if not, why: what /readyz says.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace weir::app {

// Any thread. Not ready from the start.
class Readiness {
 public:
  void SetReady() { Set({}); }
  // `reason` is a sentence for an operator.
  void SetNotReady(std::string_view reason) { Set(std::string(reason)); }
  // Empty: ready.
  std::string reason() const {
    const std::lock_guard lock(mutex_);
    return reason_;
  }

 private:
  void Set(std::string reason) {
    const std::lock_guard lock(mutex_);
    reason_ = std::move(reason);
  }
  mutable std::mutex mutex_;
  std::string reason_ = "starting";
};

}  // namespace weir::app

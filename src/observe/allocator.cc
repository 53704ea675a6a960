#include "observe/allocator.h"

#ifndef WEIR_SANITIZED
#include <gperftools/malloc_extension.h>

#include <algorithm>
#endif

namespace weir::observe {

#ifdef WEIR_SANITIZED

void BoundThreadCaches(uint64_t) {}
void ReleaseFreePages(uint64_t) {}

#else

void BoundThreadCaches(uint64_t bytes_max) {
  MallocExtension::instance()->SetNumericProperty("tcmalloc.max_total_thread_cache_bytes",
                                                  bytes_max);
}

void ReleaseFreePages(uint64_t bytes_kept) {
  // Whoever needs pages waits while some are given back.
  constexpr uint64_t kStepBytes = 256 << 10;
  MallocExtension& allocator = *MallocExtension::instance();
  size_t free = 0;
  allocator.GetNumericProperty("tcmalloc.pageheap_free_bytes", &free);
  for (uint64_t left = free > bytes_kept ? free - bytes_kept : 0; left > 0;) {
    const uint64_t step = std::min(left, kStepBytes);
    allocator.ReleaseToSystem(step);
    left -= step;
  }
}

#endif

}  // namespace weir::observe

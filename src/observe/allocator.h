// Bounds of what the allocator keeps of memory that was freed. Builds with a sanitizer have another
// allocator, and none of these. Threads: any.
#pragma once

#include <cstdint>

namespace weir::observe {

// The most that all threads' caches keep together. At least 512 KiB, and 64 KiB for each thread.
void BoundThreadCaches(uint64_t bytes_max);

// Gives free pages back to the operating system until at most `bytes_kept` are left, whole spans of
// pages at a time. For a call each second or so: a page that is given back and needed again costs
// much more than one that was kept.
void ReleaseFreePages(uint64_t bytes_kept);

}  // namespace weir::observe

#include "observe/allocator.h"

#include <gtest/gtest.h>

#ifndef WEIR_SANITIZED
#include <gperftools/malloc_extension.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace weir::observe {
namespace {

constexpr size_t kMiB = 1 << 20;

size_t Held(const char* property) {
  size_t value = 0;
  EXPECT_TRUE(MallocExtension::instance()->GetNumericProperty(property, &value));
  return value;
}
size_t FreePages() { return Held("tcmalloc.pageheap_free_bytes"); }
size_t ThreadCaches() { return Held("tcmalloc.current_total_thread_cache_bytes"); }

using Memory = std::unique_ptr<char[]>;
std::vector<Memory> Allocate(size_t count, size_t size) {
  std::vector<Memory> kept(count);
  for (Memory& memory : kept) {
    memory = std::make_unique_for_overwrite<char[]>(size);
    std::memset(memory.get(), 1, size);
  }
  return kept;
}

TEST(ReleaseFreePages, LeavesWhatMayBeKeptAndNoMore) {
  std::vector<Memory> kept = Allocate(128, kMiB);
  for (size_t i = 0; i < kept.size(); i += 2) kept[i].reset();
  ASSERT_GT(FreePages(), 63 * kMiB);
  ReleaseFreePages(8 * kMiB);
  const size_t free = FreePages();
  EXPECT_LE(free, 8 * kMiB);
  EXPECT_GT(free, 6 * kMiB);
  ReleaseFreePages(8 * kMiB);
  EXPECT_EQ(FreePages(), free);
  ReleaseFreePages(0);
  EXPECT_EQ(FreePages(), 0);
}

TEST(BoundThreadCaches, HoldsForAllThreadsTogether) {
  const auto kept_at = [](size_t bytes_max) {
    BoundThreadCaches(bytes_max);
    size_t kept = 0;
    std::thread([&] {
      for (const size_t size : {256, 512, 1024, 2048, 4096, 8192}) {
        for (int i = 0; i < 50; ++i) Allocate(2000, size);
      }
      kept = ThreadCaches();
    }).join();
    return kept;
  };
  EXPECT_GT(kept_at(32 * kMiB), 2 * kMiB);
  EXPECT_LT(kept_at(kMiB), 3 * kMiB / 2);
}

}  // namespace
}  // namespace weir::observe
#endif

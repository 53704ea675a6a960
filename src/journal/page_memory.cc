#include "journal/page_memory.h"

#include <sys/mman.h>

#include "base/check.h"

namespace weir::journal {

PageMemory::PageMemory(size_t size) : size_(size) {
  if (size == 0) return;
  void* const pages =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  WEIR_CHECK_MSG(pages != MAP_FAILED, "no memory for a filter");
  data_ = static_cast<char*>(pages);
}

PageMemory::~PageMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace weir::journal

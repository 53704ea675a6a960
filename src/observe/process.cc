// What the operating system and the allocator know of this process.
#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

#include "base/clock.h"
#include "observe/metrics.h"
#ifndef WEIR_SANITIZED
#include <gperftools/malloc_extension.h>
#endif

namespace weir::observe {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

// Fields 2 (resident pages) of /proc/self/statm; 0 where there is no /proc.
double ResidentBytes() {
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/self/statm", "re"), std::fclose);
  unsigned long total = 0, resident = 0;
  if (!file || std::fscanf(file.get(), "%lu %lu", &total, &resident) != 2) return 0;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double CountEntries(const char* directory) {
  std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(directory), closedir);
  if (!open) return 0;
  double count = 0;
  while (const dirent* entry = readdir(open.get())) count += entry->d_name[0] != '.';
  return count;
}

const int64_t kStartedMs = base::SystemClock().WallMs();

}  // namespace

void CollectProcess(Sample& sample) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  sample.Counter("weir_process_cpu_seconds_total", "CPU time used.", Seconds(usage.ru_utime),
                 {{"mode", "user"}});
  sample.Counter("weir_process_cpu_seconds_total", "CPU time used.", Seconds(usage.ru_stime),
                 {{"mode", "system"}});
  sample.Gauge("weir_process_resident_memory_bytes", "Memory in RAM (RSS).", ResidentBytes());
  // 1 less: the directory that is being read.
  sample.Gauge("weir_process_open_fds", "Open file descriptors.",
               CountEntries("/proc/self/fd") - 1);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  sample.Gauge("weir_process_max_fds", "The limit of open file descriptors.",
               static_cast<double>(limit.rlim_cur));
  sample.Gauge("weir_process_threads", "Threads.", CountEntries("/proc/self/task"));
  sample.Gauge("weir_process_start_time_seconds", "When the process started, since 1970.",
               static_cast<double>(kStartedMs) / 1000);
#ifndef WEIR_SANITIZED
  struct Property {
    const char* name;
    const char* kind;
  };
  constexpr std::array kProperties = {
      Property{"generic.current_allocated_bytes", "in_use"},
      Property{"tcmalloc.pageheap_free_bytes", "page_heap_free"},
      Property{"tcmalloc.current_total_thread_cache_bytes", "thread_caches"},
      Property{"tcmalloc.central_cache_free_bytes", "central_cache"},
  };
  for (const Property& property : kProperties) {
    size_t value = 0;
    if (!MallocExtension::instance()->GetNumericProperty(property.name, &value)) continue;
    sample.Gauge("weir_process_heap_bytes", "What the allocator holds, by kind.",
                 static_cast<double>(value), {{"kind", property.kind}});
  }
#endif
}

}  // namespace weir::observe

#include "observe/profile.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "observe/allocation_sampler.h"
#include "observe/symbols.h"
#ifndef WEIR_SANITIZED
#include <gperftools/malloc_extension.h>
#include <gperftools/profiler.h>

// The flag's home in gperftools, whose public headers offer the environment variable
// TCMALLOC_SAMPLE_PARAMETER alone; that is read before main(), this may be set in it.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): their names
namespace FLAG__namespace_do_not_use_directly_use_DECLARE_int64_instead {
extern int64_t FLAGS_tcmalloc_sample_parameter;
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
#endif

namespace weir::observe {
namespace {

using base::ErrorCode;
using base::Fail;

constexpr size_t kSymbolsMax = 100'000;

base::Result<std::string> ReadFile(const char* path) {
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return Fail(ErrorCode::kIo, std::string("cannot open ") + path);
  std::string out;
  char buffer[65'536];
  ssize_t size = 0;
  while ((size = read(descriptor, buffer, sizeof buffer)) > 0) {
    out.append(buffer, static_cast<size_t>(size));
  }
  close(descriptor);
  if (size < 0) return Fail(ErrorCode::kIo, std::string("cannot read ") + path);
  return out;
}

}  // namespace

#ifdef WEIR_SANITIZED

void EnableHeapSampling() {}

base::Result<std::string> CpuProfile(int, const std::function<bool()>&) {
  return Fail(ErrorCode::kUnsupported, "a build with a sanitizer takes no CPU profile");
}
base::Result<std::string> AllocationProfile(int, const std::function<bool()>&) {
  return Fail(ErrorCode::kUnsupported, "a build with a sanitizer takes no allocation profile");
}
base::Result<std::string> HeapProfile() {
  return Fail(ErrorCode::kUnsupported, "a build with a sanitizer takes no heap profile");
}

#else

namespace {

constexpr int64_t kSampleBytes = 512 << 10;

// A file in memory that has a path, which the profiler asks for.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("cpu-profile", MFD_CLOEXEC)) {
    path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  }
  ~MemoryFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  bool ok() const { return descriptor_ >= 0; }
  const char* path() const { return path_.c_str(); }

 private:
  int descriptor_;
  std::string path_;
};

base::Status CheckSeconds(int seconds) {
  if (seconds >= 1 && seconds <= kProfileSecondsMax) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "seconds must be 1 to " + std::to_string(kProfileSecondsMax));
}

std::string Another(const std::string& profile) {
  return profile + " is being taken; ask again after it";
}

void WaitFor(int seconds, const std::function<bool()>& cancelled) {
  const base::Clock& clock = base::SystemClock();
  const int64_t end_ns = clock.SteadyNs() + seconds * 1'000'000'000LL;
  while (clock.SteadyNs() < end_ns && !(cancelled && cancelled())) {
    poll(nullptr, 0, 50);  // SIGPROF ends it early, which does no harm
  }
}

}  // namespace

void EnableHeapSampling() {
  auto& parameter = FLAG__namespace_do_not_use_directly_use_DECLARE_int64_instead::
      FLAGS_tcmalloc_sample_parameter;
  if (parameter <= 0) parameter = kSampleBytes;
}

base::Result<std::string> CpuProfile(int seconds, const std::function<bool()>& cancelled) {
  WEIR_RETURN_IF_ERROR(CheckSeconds(seconds));
  static std::atomic<bool> running{false};
  if (running.exchange(true)) return Fail(ErrorCode::kAlreadyExists, Another("a CPU profile"));
  struct Release {
    ~Release() { running.store(false); }
  } release;
  const MemoryFile file;
  if (!file.ok() || ProfilerStart(file.path()) == 0) {
    return Fail(ErrorCode::kUnavailable, "the profiler did not start");
  }
  WaitFor(seconds, cancelled);
  ProfilerStop();
  return ReadFile(file.path());
}

base::Result<std::string> AllocationProfile(int seconds, const std::function<bool()>& cancelled) {
  WEIR_RETURN_IF_ERROR(CheckSeconds(seconds));
  if (!StartSamplingAllocations()) {
    return Fail(ErrorCode::kAlreadyExists, Another("an allocation profile"));
  }
  WaitFor(seconds, cancelled);
  std::string profile = StopSamplingAllocations();
  WEIR_ASSIGN_OR_RETURN(const std::string maps, ReadFile("/proc/self/maps"));
  return profile + "\nMAPPED_LIBRARIES:\n" + maps;
}

base::Result<std::string> HeapProfile() {
  std::string out;
  MallocExtension::instance()->GetHeapSample(&out);
  return out;
}

#endif

std::string Symbols(std::string_view body) {
  if (body.empty()) return "num_symbols: 1\n";
  std::vector<uintptr_t> addresses;
  while (!body.empty() && addresses.size() < kSymbolsMax) {
    const size_t plus = body.find('+');
    std::string_view word = body.substr(0, plus);
    body = plus == std::string_view::npos ? std::string_view() : body.substr(plus + 1);
    if (word.starts_with("0x")) word.remove_prefix(2);
    uintptr_t address = 0;
    if (std::from_chars(word.data(), word.data() + word.size(), address, 16).ec == std::errc()) {
      addresses.push_back(address);
    }
  }
  const std::vector<std::string> names = SymbolNames(addresses);
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    char digits[2 * sizeof(uintptr_t)];
    const auto end = std::to_chars(digits, digits + sizeof digits, addresses[i], 16).ptr;
    out.append("0x").append(digits, end).append("\t").append(names[i]).append("\n");
  }
  return out;
}

std::string CommandLine() { return ReadFile("/proc/self/cmdline").value_or(std::string()); }

}  // namespace weir::observe

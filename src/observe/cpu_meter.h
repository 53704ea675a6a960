// How much of the processors that it may use is in use, for the shedder.
//
// Under a quota (cgroup v2 cpu.max, v1 cpu.cfs_quota_us) that is what its control group has used of
// the quota; else it is the busy share of the machine, for what other programs take is not there
// for us. The strictest quota of the group and those above it counts. Files that are missing or odd
// are passed over: what is left decides, in the end the process's own time.
//
// Threads: one at a time. No call blocks longer than reading a few files under /proc and /sys.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace weir::observe {

class CpuMeter {
 public:
  // Where to look; tests have their own.
  struct Places {
    std::string cgroups = "/sys/fs/cgroup";
    std::string own_cgroup = "/proc/self/cgroup";
    std::string machine = "/proc/stat";
  };
  explicit CpuMeter(Places places);
  CpuMeter() : CpuMeter(Places{}) {}

  // In thousandths, 0 to 1000, since the last call; 0 at the first, and when no time has passed.
  int64_t Sample(int64_t now_ns);

  // The processors that may be used: those of the quota, or those of the machine.
  double processors() const { return processors_; }
  // "cgroup v2", "cgroup v1", "machine" or "process".
  const char* source() const;

 private:
  enum class Source { kCgroup2, kCgroup1, kMachine, kProcess };

  void FindQuota();
  bool FindQuota2(const std::string& group);
  bool FindQuota1(const std::string& group);
  // Nanoseconds of all processors used since some beginning.
  std::optional<double> UsedNs() const;

  const Places places_;
  Source source_ = Source::kProcess;
  std::string usage_file_;
  double processors_ = 1;
  std::optional<double> used_ns_;
  int64_t sampled_ns_ = 0;
};

}  // namespace weir::observe

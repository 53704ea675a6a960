#include "observe/cpu_meter.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

namespace weir::observe {
namespace {

constexpr int kCgroupDepthMax = 32;

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The file's first word.
std::optional<double> ReadNumber(const std::string& path) {
  std::ifstream in(path);
  double value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

// The number behind `name` at a line's beginning.
std::optional<double> ReadNumberOf(const std::string& name, const std::string& path) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string word;
    double value = 0;
    if (words >> word && word == name && words >> value) return value;
  }
  return std::nullopt;
}

double ProcessorsAllowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  return std::max(1u, std::thread::hardware_concurrency());
}

std::string Above(const std::string& group) {
  const size_t slash = group.rfind('/');
  return slash == std::string::npos || slash == 0 ? std::string() : group.substr(0, slash);
}

// The group of `controller` in /proc/self/cgroup: "0::/a/b", or "4:cpu,cpuacct:/a/b" of version 1.
std::optional<std::string> GroupOf(const std::string& text, const std::string& controller) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool found = controller.empty()
                           ? controllers == ",,"
                           : controllers.find("," + controller + ",") != std::string::npos;
    if (found) return line.substr(second + 1);
  }
  return std::nullopt;
}

}  // namespace

CpuMeter::CpuMeter(Places places) : places_(std::move(places)) { FindQuota(); }

void CpuMeter::FindQuota() {
  processors_ = ProcessorsAllowed();
  const std::string groups = ReadAll(places_.own_cgroup);
  if (const auto group = GroupOf(groups, ""); group && FindQuota2(*group)) return;
  if (const auto group = GroupOf(groups, "cpu"); group && FindQuota1(*group)) return;
  source_ = Source::kMachine;
  if (!UsedNs()) source_ = Source::kProcess;
}

bool CpuMeter::FindQuota2(const std::string& group) {
  bool found = false;
  std::string at = group;
  for (int depth = 0; depth < kCgroupDepthMax; ++depth, at = Above(at)) {
    const std::string directory = places_.cgroups + (at == "/" ? "" : at);
    std::istringstream words(ReadAll(directory + "/cpu.max"));
    double quota = 0, period = 0;  // "max 100000" is no quota, and no number
    if (words >> quota >> period && quota > 0 && period > 0 && quota / period < processors_ &&
        ReadNumberOf("usage_usec", directory + "/cpu.stat")) {
      processors_ = quota / period;
      usage_file_ = directory + "/cpu.stat";
      source_ = Source::kCgroup2;
      found = true;
    }
    if (at.empty() || at == "/") break;
  }
  return found;
}

bool CpuMeter::FindQuota1(const std::string& group) {
  // In a container the group's own files stand at the mount's root.
  for (const std::string& at : {group, std::string()}) {
    for (const char* mount : {"/cpu,cpuacct", "/cpu"}) {
      const std::string directory = places_.cgroups + mount + (at == "/" ? "" : at);
      const auto quota = ReadNumber(directory + "/cpu.cfs_quota_us");
      const auto period = ReadNumber(directory + "/cpu.cfs_period_us");
      if (!quota || !period || *quota <= 0 || *period <= 0 || *quota / *period >= processors_) {
        continue;
      }
      for (const std::string& usage :
           {directory + "/cpuacct.usage",
            places_.cgroups + "/cpuacct" + (at == "/" ? "" : at) + "/cpuacct.usage"}) {
        if (!ReadNumber(usage)) continue;
        processors_ = *quota / *period;
        usage_file_ = usage;
        source_ = Source::kCgroup1;
        return true;
      }
    }
  }
  return false;
}

std::optional<double> CpuMeter::UsedNs() const {
  switch (source_) {
    case Source::kCgroup2: {
      const auto us = ReadNumberOf("usage_usec", usage_file_);
      if (us) return *us * 1e3;
      return std::nullopt;
    }
    case Source::kCgroup1:
      return ReadNumber(usage_file_);
    case Source::kMachine: {
      // cpu user nice system idle iowait irq softirq steal …, in clock ticks.
      std::istringstream words(ReadAll(places_.machine));
      std::string name;
      double user, nice, system, idle, iowait, irq, softirq, steal;
      if (!(words >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal) ||
          name != "cpu") {
        return std::nullopt;
      }
      return (user + nice + system + irq + softirq + steal) * 1e9 /
             static_cast<double>(sysconf(_SC_CLK_TCK));
    }
    case Source::kProcess:
      break;
  }
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e9 + static_cast<double>(used.tv_nsec);
}

int64_t CpuMeter::Sample(int64_t now_ns) {
  const auto used_ns = UsedNs();
  const auto before_ns = std::exchange(used_ns_, used_ns);
  const int64_t passed_ns = now_ns - std::exchange(sampled_ns_, now_ns);
  if (!used_ns || !before_ns || passed_ns <= 0) return 0;
  const double share = (*used_ns - *before_ns) / (static_cast<double>(passed_ns) * processors_);
  return std::clamp<int64_t>(std::llround(share * 1000), 0, 1000);
}

const char* CpuMeter::source() const {
  switch (source_) {
    case Source::kCgroup2:
      return "cgroup v2";
    case Source::kCgroup1:
      return "cgroup v1";
    case Source::kMachine:
      return "machine";
    case Source::kProcess:
      break;
  }
  return "process";
}

}  // namespace weir::observe

// What the disk takes for a durable write: pwrite and fdatasync in a loop, to a preallocated file.
//
//   bench_fsync_floor --dir DIR [--seconds S] [--json]
//
// Runs each size from 4 to 64 KiB for its share of the time, in turns, so that a disturbance of the
// machine meets all of them. Prints p50, p99 and p99.9 of each size and of all together.
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr size_t kFileBytes = 128u << 20;  // a segment of the journal
constexpr size_t kSizes[] = {4u << 10, 16u << 10, 64u << 10};
constexpr int kTurn = 64;  // syncs of one size before the next one's turn

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

double QuantileMs(std::vector<int64_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<size_t>(share * static_cast<double>(sorted.size() - 1) + 0.5);
  return static_cast<double>(sorted[at]) / 1e6;
}

void Print(const std::string& name, std::vector<int64_t>& times, bool json, bool last) {
  std::ranges::sort(times);
  const double p50 = QuantileMs(times, 0.5), p99 = QuantileMs(times, 0.99),
               p999 = QuantileMs(times, 0.999);
  std::printf(json ? "\"%s\":{\"count\":%zu,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"p999_ms\":%.4f}%s"
                   : "%-8s %7zu syncs   p50 %.3f ms   p99 %.3f ms   p99.9 %.3f ms%s",
              name.c_str(), times.size(), p50, p99, p999, json ? (last ? "" : ",") : "\n");
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory;
  double seconds = 10;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--json") {
      json = true;
    } else if (name == "--dir" && i + 1 < argc) {
      directory = argv[++i];
    } else if (name == "--seconds" && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else {
      directory.clear();
      break;
    }
  }
  if (directory.empty() || seconds <= 0) {
    std::fprintf(stderr, "usage: bench_fsync_floor --dir DIR [--seconds S] [--json]\n");
    return 2;
  }
  const std::string path = directory + "/fsync_floor.tmp";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) Fail(path.c_str());
  unlink(path.c_str());
  if (posix_fallocate(fd, 0, kFileBytes) != 0 || fsync(fd) != 0) Fail("preallocate");

  std::vector<char> bytes(kSizes[std::size(kSizes) - 1], 'w');
  std::vector<int64_t> times[std::size(kSizes)];
  off_t at = 0;
  const int64_t end = NowNs() + static_cast<int64_t>(seconds * 1e9);
  for (size_t turn = 0; NowNs() < end; ++turn) {
    const size_t which = turn % std::size(kSizes);
    for (int i = 0; i < kTurn; ++i) {
      if (at + kSizes[which] > kFileBytes) at = 0;
      const int64_t start = NowNs();
      if (pwrite(fd, bytes.data(), kSizes[which], at) < 0 || fdatasync(fd) != 0) Fail("write");
      times[which].push_back(NowNs() - start);
      at += static_cast<off_t>(kSizes[which]);
    }
  }
  close(fd);
  std::vector<int64_t> all;
  for (const auto& some : times) all.insert(all.end(), some.begin(), some.end());
  if (json) std::printf("{");
  for (size_t i = 0; i < std::size(kSizes); ++i) {
    Print(std::to_string(kSizes[i] >> 10) + " KiB", times[i], json, false);
  }
  Print("all", all, json, true);
  if (json) std::printf("}\n");
}

// Which way of making a group of the journal durable costs least: for each, the time that passes
// and the CPU that the process is charged.
//
//   bench_sync_ways --dir DIR
//
//   calls          pwrite, then fdatasync: what the journal does
//   dsync          one pwritev2 with RWF_DSYNC
//   ring           write and fdatasync as linked entries of an io_uring, one io_uring_enter
//   ring dsync     a write with RWF_DSYNC on an io_uring
//   direct …       the same past the page cache (O_DIRECT)
#include <fcntl.h>
#include <liburing.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr size_t kFileBytes = 128u << 20;  // a segment of the journal
constexpr size_t kSizes[] = {16u << 10, 64u << 10};
constexpr int kRounds = 5;  // all ways take turns, so that a disturbance meets all of them
constexpr int kSyncsPerRound = 200;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

double NowUs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double CpuUs() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}

class Ring {
 public:
  Ring() {
    const int error = io_uring_queue_init(8, &ring_, 0);
    if (error == 0) return;
    errno = -error;
    Fail("io_uring");
  }
  io_uring_sqe* Next() { return io_uring_get_sqe(&ring_); }
  void Run(unsigned count) {
    if (io_uring_submit_and_wait(&ring_, count) < 0) Fail("io_uring_enter");
    for (unsigned i = 0; i < count; ++i) {
      io_uring_cqe* done = nullptr;
      if (io_uring_wait_cqe(&ring_, &done) != 0 || done->res < 0) Fail("a write or sync on a ring");
      io_uring_cqe_seen(&ring_, done);
    }
  }

 private:
  io_uring ring_;
};

struct Way {
  const char* name;
  bool direct;
  bool ring;
  bool dsync;
  std::vector<double> times_us;
  double cpu_us = 0;
};

void SyncOnce(const Way& way, int fd, Ring& ring, const iovec& bytes, off_t at) {
  if (!way.ring && !way.dsync) {
    if (pwritev(fd, &bytes, 1, at) < 0 || fdatasync(fd) != 0) Fail("write");
  } else if (!way.ring) {
    if (pwritev2(fd, &bytes, 1, at, RWF_DSYNC) < 0) Fail("write");
  } else if (way.dsync) {
    io_uring_prep_writev2(ring.Next(), fd, &bytes, 1, static_cast<uint64_t>(at), RWF_DSYNC);
    ring.Run(1);
  } else {
    io_uring_sqe* write = ring.Next();
    io_uring_prep_writev(write, fd, &bytes, 1, static_cast<uint64_t>(at));
    write->flags |= IOSQE_IO_LINK;
    io_uring_prep_fsync(ring.Next(), fd, IORING_FSYNC_DATASYNC);
    ring.Run(2);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || std::string_view(argv[1]) != "--dir") {
    std::fprintf(stderr, "usage: bench_sync_ways --dir DIR\n");
    return 2;
  }
  const std::string path = std::string(argv[2]) + "/sync_ways.tmp";
  const int cached = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int direct = open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  if (cached < 0 || direct < 0) Fail(path.c_str());
  unlink(path.c_str());
  const std::string zeros(1u << 20, '\0');
  for (size_t at = 0; at < kFileBytes; at += zeros.size()) {
    if (pwrite(cached, zeros.data(), zeros.size(), static_cast<off_t>(at)) < 0) Fail("reserve");
  }
  if (fsync(cached) != 0) Fail("reserve");

  Ring ring;
  const std::unique_ptr<void, decltype(&std::free)> memory(std::aligned_alloc(4096, 64u << 10),
                                                           &std::free);
  std::memset(memory.get(), 'w', 64u << 10);
  for (const size_t size : kSizes) {
    Way ways[] = {{"calls", false, false, false},       {"dsync", false, false, true},
                  {"ring", false, true, false},         {"ring dsync", false, true, true},
                  {"direct calls", true, false, false}, {"direct ring dsync", true, true, true}};
    off_t at = 0;
    for (int round = 0; round < kRounds; ++round) {
      for (Way& way : ways) {
        const double cpu_us = CpuUs();
        for (int i = 0; i < kSyncsPerRound; ++i) {
          if (static_cast<size_t>(at) + size > kFileBytes) at = 0;
          const double start_us = NowUs();
          SyncOnce(way, way.direct ? direct : cached, ring, {memory.get(), size}, at);
          way.times_us.push_back(NowUs() - start_us);
          at += static_cast<off_t>(size);
        }
        way.cpu_us += CpuUs() - cpu_us;
      }
    }
    for (Way& way : ways) {
      std::ranges::sort(way.times_us);
      const size_t count = way.times_us.size();
      std::printf("%2zu KiB  %-18s p50 %4.0f µs   p99 %4.0f µs   CPU %3.0f µs each\n", size >> 10,
                  way.name, way.times_us[count / 2], way.times_us[count * 99 / 100],
                  way.cpu_us / static_cast<double>(count));
    }
  }
  close(cached);
  close(direct);
}

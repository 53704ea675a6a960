#include "observe/profile.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "observe/symbols.h"

namespace weir::observe {

// Not static, not inlined: a name that must turn up in profiles.
__attribute__((noinline)) void BurnRecognizably(const std::atomic<bool>& stop) {
  volatile uint64_t sink = 0;
  while (!stop.load(std::memory_order_relaxed)) sink = sink * 3 + 1;
}
__attribute__((noinline)) void AllocateRecognizably(std::vector<std::unique_ptr<char[]>>& kept) {
  for (int i = 0; i < 256; ++i) kept.push_back(std::make_unique<char[]>(100'000));
}
__attribute__((noinline)) void AllocateAndFreeRecognizably(int times, size_t size) {
  for (int i = 0; i < times; ++i) {
    void* volatile memory = ::operator new(size);
    ::operator delete(memory);
  }
}

namespace {

using ::testing::HasSubstr;

std::string Hex(auto* function) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%lx", reinterpret_cast<unsigned long>(function));
  return text;
}

TEST(Symbols, NamesFunctionsOfTheProgramAndOfLibraries) {
  const std::string known = Hex(&BurnRecognizably);
  const std::string answer = Symbols(known + "+0x1+nonsense+" + Hex(&getpid));
  EXPECT_THAT(answer, HasSubstr(known + "\tweir::observe::BurnRecognizably"));
  EXPECT_THAT(answer, HasSubstr("getpid\n"));
  EXPECT_THAT(answer, Not(HasSubstr("0x1\t")));
  EXPECT_EQ(Symbols(""), "num_symbols: 1\n");
}

TEST(CommandLine, StartsWithTheProgram) { EXPECT_THAT(CommandLine(), HasSubstr("observe_test")); }

#ifdef WEIR_SANITIZED

TEST(Profile, SaysThatASanitizedBuildHasNone) {
  EXPECT_EQ(CpuProfile(1).error().code, base::ErrorCode::kUnsupported);
  EXPECT_EQ(AllocationProfile(1).error().code, base::ErrorCode::kUnsupported);
  EXPECT_EQ(HeapProfile().error().code, base::ErrorCode::kUnsupported);
}

#else

class LastingProfile : public ::testing::TestWithParam<decltype(&CpuProfile)> {};

TEST_P(LastingProfile, IsOneAtATimeAndBounded) {
  const auto profile = GetParam();
  EXPECT_EQ(profile(0, {}).error().code, base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(profile(kProfileSecondsMax + 1, {}).error().code, base::ErrorCode::kInvalidArgument);
  std::atomic<bool> started{false}, cancel{false};
  std::thread first([&] {
    EXPECT_TRUE(profile(60, [&] {
      started = true;
      return cancel.load();
    }));
  });
  while (!started) std::this_thread::yield();
  EXPECT_EQ(profile(1, {}).error().code, base::ErrorCode::kAlreadyExists);
  cancel = true;
  first.join();
  EXPECT_TRUE(profile(60, [] { return true; })) << "free again";
}
INSTANTIATE_TEST_SUITE_P(All, LastingProfile, ::testing::Values(&CpuProfile, &AllocationProfile));

struct Allocated {
  double count = 0;
  double bytes = 0;
};

// What the stacks that name the function have allocated, of a profile's text.
Allocated AllocatedBy(const std::string& function, const std::string& profile) {
  Allocated sum;
  std::istringstream lines(profile.substr(0, profile.find("\nMAPPED_LIBRARIES:\n")));
  std::string line;
  std::getline(lines, line);  // the sum of all
  while (std::getline(lines, line)) {
    const size_t at = line.find('@');
    std::istringstream words(line.substr(at + 1));
    std::vector<uintptr_t> frames;
    for (std::string word; words >> word;) frames.push_back(std::stoul(word, nullptr, 16) - 1);
    const std::vector<std::string> names = SymbolNames(frames);
    if (std::ranges::none_of(names, [&](const std::string& name) {
          return name.find(function) != std::string::npos;
        })) {
      continue;
    }
    Allocated one;
    EXPECT_EQ(std::sscanf(line.c_str(), "0: 0 [%lf: %lf]", &one.count, &one.bytes), 2) << line;
    sum.count += one.count;
    sum.bytes += one.bytes;
  }
  return sum;
}

// Of small allocations one in a thousand is sampled, of large ones nearly each: the sums are right
// for both, though everything was freed long before the profile ended.
TEST(AllocationProfile, EstimatesWhatWasAllocatedAndFreed) {
  for (const auto& [times, size] : {std::pair{4'000'000, 128}, std::pair{2'000, 500'000}}) {
    SCOPED_TRACE(size);
    std::string profile;
    bool begun = false;
    profile = AllocationProfile(60, [&, times = times, size = size] {
                if (!begun) AllocateAndFreeRecognizably(times, static_cast<size_t>(size));
                return std::exchange(begun, true);
              }).value();
    const Allocated found = AllocatedBy("AllocateAndFreeRecognizably", profile);
    // 3,900 samples: a standard deviation of 1.6 %.
    EXPECT_NEAR(found.count, times, times * 0.08);
    EXPECT_NEAR(found.bytes, double(times) * size, double(times) * size * 0.08);
  }
}

// The answers over HTTP/1.0, as the administration server gives them.
class ProfileServer {
 public:
  ProfileServer() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] {
      int connection = 0;
      while ((connection = accept(listener_, nullptr, nullptr)) >= 0) Answer(connection);
    });
  }
  ~ProfileServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string Url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }

 private:
  static void Answer(int connection) {
    std::string request;
    char buffer[65'536];
    size_t body_at = std::string::npos, length = 0;
    while (body_at == std::string::npos || request.size() < body_at + length) {
      const ssize_t size = read(connection, buffer, sizeof buffer);
      if (size <= 0) break;
      request.append(buffer, static_cast<size_t>(size));
      if (const size_t end = request.find("\r\n\r\n"); end != std::string::npos) {
        body_at = end + 4;
        const size_t header = request.find("Content-Length: ");
        if (header != std::string::npos) length = std::stoul(request.substr(header + 16));
      }
    }
    std::string body;
    if (request.find("/debug/pprof/profile") != std::string::npos) body = CpuProfile(1).value();
    if (request.find("/debug/pprof/allocs") != std::string::npos) {
      body = AllocationProfile(1).value();
    }
    if (request.find("/debug/pprof/heap") != std::string::npos) body = HeapProfile().value();
    if (request.find("/debug/pprof/cmdline") != std::string::npos) body = CommandLine();
    if (request.find("/debug/pprof/symbol") != std::string::npos) {
      body = Symbols(std::string_view(request).substr(body_at));
    }
    body = "HTTP/1.0 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    EXPECT_EQ(write(connection, body.data(), body.size()), static_cast<ssize_t>(body.size()));
    close(connection);
  }
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

std::string Output(const std::string& command) {
  std::string out;
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  char buffer[4096];
  while (std::fgets(buffer, sizeof buffer, pipe.get()) != nullptr) out += buffer;
  return out;
}

class GoPprof : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v go >/dev/null 2>&1") != 0) {
      GTEST_SKIP()
          << "Go is not installed, so there is no `go tool pprof` to read the profile with";
    }
  }
  // `symbolize`: "local" reads the program's file, "remote" asks /debug/pprof/symbol.
  std::string Top(const std::string& path, const std::string& symbolize,
                  const std::string& sample = "") {
    return Output("PPROF_TMPDIR=" + ::testing::TempDir() + " go tool pprof -symbolize=" +
                  symbolize + sample + " -nodecount=200 -top '" + server_.Url(path) + "' 2>&1");
  }
  ProfileServer server_;
};

TEST_F(GoPprof, ShowsWhereTheCpuTimeGoes) {
  std::atomic<bool> stop{false};
  std::thread burner([&] { BurnRecognizably(stop); });
  for (const char* symbolize : {"remote", "local"}) {
    EXPECT_THAT(Top("/debug/pprof/profile?seconds=1", symbolize), HasSubstr("BurnRecognizably"));
  }
  stop = true;
  burner.join();
}

TEST_F(GoPprof, ShowsWhoAllocatesAndFrees) {
  std::atomic<bool> stop{false};
  std::thread allocator([&] {
    while (!stop) AllocateAndFreeRecognizably(1000, 1000);
  });
  for (const char* symbolize : {"remote", "local"}) {
    for (const char* index : {"alloc_space", "alloc_objects"}) {
      EXPECT_THAT(Top("/debug/pprof/allocs?seconds=1", symbolize,
                      std::string(" -cum -sample_index=") + index),
                  HasSubstr("AllocateAndFreeRecognizably"));
    }
  }
  stop = true;
  allocator.join();
}

TEST_F(GoPprof, ShowsWhoHoldsTheHeap) {
  EnableHeapSampling();
  std::vector<std::unique_ptr<char[]>> kept;
  // A thread of its own: one that begins after sampling was enabled.
  std::thread([&] { AllocateRecognizably(kept); }).join();
  for (const char* symbolize : {"remote", "local"}) {
    EXPECT_THAT(Top("/debug/pprof/heap", symbolize, " -cum"), HasSubstr("AllocateRecognizably"));
  }
}

#endif

}  // namespace
}  // namespace weir::observe

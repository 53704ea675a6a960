#include "tools/surge/submitter.h"

#include <gtest/gtest.h>

namespace weir::surge {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int kReports = 1'000;

struct Herd {
  Options options{.reports = kReports};
  Plan plan{{.patients = kReports}};
  Findings findings;
  Progress progress;
  Submitter submitter{plan, options, {.closed_loop = true}, {}, nullptr, findings, progress};

  // How many are sent by then.
  int Send(int64_t now_ns, double retry_after_s) {
    Script::Request request;
    int64_t wake_ns = 0;
    std::vector<uint64_t> tags;
    while (submitter.Take(now_ns, request, wake_ns)) tags.push_back(request.tag);
    for (const uint64_t tag : tags) {
      submitter.Answered(tag, 0, {.status = 503, .retry_after_s = retry_after_s}, now_ns);
    }
    return static_cast<int>(tags.size());
  }
};

TEST(Submitter, ComesAllThroughTheSecondThatItWasTold) {
  Herd herd;
  EXPECT_EQ(herd.Send(0, 2), kReports);
  EXPECT_EQ(herd.Send(1'999 * kMs, 60), 0);
  int sent = 0;
  for (int64_t ms = 2'100; ms <= 3'000; ms += 100) {
    const int now = herd.Send(ms * kMs, 60);
    EXPECT_GT(now, kReports / 20) << ms;
    sent += now;
  }
  EXPECT_EQ(sent, kReports);
}

TEST(Submitter, ComesAtOnceWhereItIsToldTo) {
  Herd herd;
  EXPECT_EQ(herd.Send(0, 0), kReports);
  EXPECT_EQ(herd.Send(1, 60), kReports);
}

}  // namespace
}  // namespace weir::surge

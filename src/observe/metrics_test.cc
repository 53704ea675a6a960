#include "observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "observe/counters.h"

namespace weir::observe {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, AreReadWhenTheyAreScraped) {
  Counter stored;
  Metrics metrics;
  metrics.Add([&](Sample& sample) {
    sample.Counter("weir_reports_total", "Reports.", static_cast<double>(stored.value()),
                   {{"outcome", "stored"}});
    sample.Counter("weir_reports_total", "Reports.", 2, {{"outcome", "a\"b\n"}});
    sample.Gauge("weir_lag", "Lag.", 3);
  });
  EXPECT_THAT(metrics.Scrape(), HasSubstr("weir_reports_total{outcome=\"stored\"} 0\n"));
  stored.Add(41);
  const std::string text = metrics.Scrape();
  EXPECT_THAT(text, HasSubstr("# HELP weir_reports_total Reports.\n"
                              "# TYPE weir_reports_total counter\n"
                              "weir_reports_total{outcome=\"stored\"} 41\n"
                              "weir_reports_total{outcome=\"a\\\"b\\n\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE weir_lag gauge\nweir_lag 3\n"));
}

TEST(Metrics, MergeFamiliesOfSeveralCollectors) {
  Metrics metrics;
  for (const char* task : {"cleanse", "alert"}) {
    metrics.Add([task](Sample& s) { s.Gauge("weir_task_lag", "Lag.", 1, {{"task", task}}); });
  }
  const std::string text = metrics.Scrape();
  EXPECT_EQ(text.find("# TYPE weir_task_lag"), text.rfind("# TYPE weir_task_lag"));
  EXPECT_THAT(text, HasSubstr("weir_task_lag{task=\"alert\"} 1\n"));
}

TEST(Metrics, LookAtNothingAnyMoreOnceTheyAreCleared) {
  Metrics metrics;
  metrics.Add([](Sample& sample) { sample.Gauge("weir_lag", "Lag.", 1); });
  metrics.Clear();
  EXPECT_EQ(metrics.Scrape(), "");
}

TEST(Histogram, IsCumulativeInSeconds) {
  Histogram histogram;
  histogram.Observe(50'000);  // on a bound: belongs below it
  histogram.Observe(300'000);
  histogram.Observe(90'000'000'000);  // above all bounds
  Metrics metrics;
  metrics.Add([&](Sample& s) { s.Histogram("weir_x_seconds", "X.", histogram.snapshot()); });
  const std::string text = metrics.Scrape();
  EXPECT_THAT(text, HasSubstr("weir_x_seconds_count 3\n"));
  EXPECT_THAT(text, HasSubstr("weir_x_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("weir_x_seconds_bucket{le=\"60\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("} 1\n"));
  EXPECT_THAT(text, HasSubstr("weir_x_seconds_sum 90.00035\n"));
}

TEST(Histogram, QuantilesAreUpperBounds) {
  Histogram histogram;
  for (int i = 0; i < 99; ++i) histogram.Observe(200'000);
  histogram.Observe(4'000'000);
  EXPECT_EQ(histogram.snapshot().QuantileNs(0.5), 250'000u);
  EXPECT_EQ(histogram.snapshot().QuantileNs(0.99), 250'000u);
  EXPECT_EQ(histogram.snapshot().QuantileNs(1.0), 5'000'000u);
  EXPECT_EQ(Histogram().snapshot().QuantileNs(0.99), 0u);
}

TEST(PerThread, LosesNothingWhileItIsRead) {
  constexpr unsigned kThreads = 4;
  constexpr uint64_t kEach = 100'000;
  PerThread<Histogram> histograms(kThreads);
  const auto sum = [&] {
    HistogramSnapshot total;
    histograms.ForEach([&](const Histogram& h) { h.AddTo(total); });
    return total;
  };
  std::vector<std::thread> writers;
  for (unsigned t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      for (uint64_t i = 0; i < kEach; ++i) histograms[t].Observe(i);
    });
  }
  uint64_t before = 0;
  while (before < kThreads * kEach) {
    const uint64_t now = sum().count();
    ASSERT_GE(now, before) << "a counter never goes back";
    before = now;
    std::this_thread::yield();
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(sum().sum_ns, kThreads * (kEach * (kEach - 1) / 2));
}

TEST(Process, TellsMemoryDescriptorsAndThreads) {
  Metrics metrics;
  metrics.Add(CollectProcess);
  metrics.Add(BuildInfo("1.2.3", "ward-7"));
  const std::string text = metrics.Scrape();
  EXPECT_THAT(text, HasSubstr("weir_build_info{version=\"1.2.3\",name=\"ward-7\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("weir_process_open_fds "));
  EXPECT_THAT(text, Not(HasSubstr("weir_process_resident_memory_bytes 0\n")));
  EXPECT_THAT(text, Not(HasSubstr("weir_process_threads 0\n")));
}

}  // namespace
}  // namespace weir::observe

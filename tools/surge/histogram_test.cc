#include "tools/surge/histogram.h"

#include <gtest/gtest.h>

namespace weir::surge {
namespace {

TEST(Histogram, KnowsEveryQuantileToAFewPercent) {
  Histogram histogram;
  for (int64_t i = 1; i <= 100'000; ++i) histogram.Record(i * 1000);
  for (const double share : {0.001, 0.01, 0.5, 0.9, 0.99, 0.999, 0.9999}) {
    const double exact = share * 1e8;
    EXPECT_GE(static_cast<double>(histogram.QuantileNs(share)), exact) << share;
    EXPECT_LE(static_cast<double>(histogram.QuantileNs(share)), exact * 1.016) << share;
  }
  EXPECT_EQ(histogram.QuantileNs(1), 100'000'000);
  EXPECT_EQ(histogram.max_ns(), 100'000'000);
}

TEST(Histogram, HoldsTheSmallestAndTheLargest) {
  Histogram histogram;
  EXPECT_EQ(histogram.QuantileNs(0.5), 0);
  histogram.Record(-5);
  EXPECT_EQ(histogram.QuantileNs(1), 0);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(histogram.QuantileNs(1), INT64_MAX);
  EXPECT_EQ(histogram.count(), 2u);
}

TEST(Histogram, MergesAsIfAllHadBeenRecordedInOne) {
  Histogram one, other, both;
  for (int64_t i = 0; i < 1000; ++i) {
    (i % 3 ? one : other).Record(i * i);
    both.Record(i * i);
  }
  one.Merge(other);
  EXPECT_EQ(one.count(), both.count());
  for (const double share : {0.1, 0.5, 0.99, 1.0}) {
    EXPECT_EQ(one.QuantileNs(share), both.QuantileNs(share));
  }
}

}  // namespace
}  // namespace weir::surge

#include "core/stats/latency_histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace assay::stats {
namespace {

TEST(latency_histogram, IsEmptyAtFirst) {
  const latency_histogram empty;
  EXPECT_EQ(empty.count(), 0U);
  EXPECT_EQ(empty.percentile(0.5), microseconds{0});
  EXPECT_EQ(empty.mean(), microseconds{0});
}

TEST(latency_histogram, IsExactForShortDurations) {
  latency_histogram h;
  for (int i = 1; i <= 100; ++i)
    h.record(microseconds{i});
  EXPECT_EQ(h.percentile(0.5), microseconds{50});
  EXPECT_EQ(h.percentile(0.99), microseconds{99});
  EXPECT_EQ(h.percentile(1), microseconds{100});
  EXPECT_EQ(h.percentile(0), microseconds{1});
  EXPECT_EQ(h.mean(), microseconds{51}); // 50.5 rounded
}

TEST(latency_histogram, StaysWithinItsErrorOverSixDecades) {
  std::mt19937_64 random(7);
  std::vector<int64_t> values;
  latency_histogram h;
  for (int i = 0; i < 20'000; ++i) {
    const double exponent = static_cast<double>(random() % 10'000) / 10'000 * 6 + 2;
    values.push_back(static_cast<int64_t>(std::pow(10, exponent)));
    h.record(microseconds{values.back()});
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * 20'000)) - 1;
    const auto truth = static_cast<double>(values[rank]);
    const auto told = static_cast<double>(h.percentile(share).count());
    EXPECT_GE(told, truth) << share;
    EXPECT_LE(told, truth * (1 + 1.0 / 64)) << share;
  }
  EXPECT_EQ(h.maximum().count(), values.back());
  EXPECT_EQ(h.minimum().count(), values.front());
}

TEST(latency_histogram, MergesIntoTheSameAsRecordingEverythingInOne) {
  latency_histogram a;
  latency_histogram b;
  latency_histogram whole;
  std::mt19937_64 random(11);
  for (int i = 0; i < 1'000; ++i) {
    const microseconds value{static_cast<int64_t>(random() % 50'000'000)};
    (i % 3 == 0 ? a : b).record(value);
    whole.record(value);
  }
  a.merge(b);
  EXPECT_EQ(a.count(), whole.count());
  EXPECT_EQ(a.mean(), whole.mean());
  EXPECT_EQ(a.minimum(), whole.minimum());
  for (const double share : {0.1, 0.5, 0.99})
    EXPECT_EQ(a.percentile(share), whole.percentile(share));
}

TEST(latency_histogram, ClampsNegativeAndEndlessDurations) {
  latency_histogram h;
  h.record(microseconds{-5});
  EXPECT_EQ(h.maximum(), microseconds{0});
  h.record(microseconds{INT64_MAX});
  EXPECT_EQ(h.maximum(), microseconds{(int64_t{1} << 36) - 1});
  EXPECT_EQ(h.percentile(1), h.maximum());
  h.record(microseconds{10}, 98);
  EXPECT_EQ(h.count(), 100U);
  EXPECT_EQ(h.percentile(0.5), microseconds{10});
}

TEST(latency_histogram, ComesBackFromItsParts) {
  latency_histogram all;
  for (int i = 1; i < 2'000; ++i)
    all.record(microseconds{i * i * 37});
  const auto parts = all.take_apart();
  const auto back = latency_histogram::put_together(parts);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->count(), all.count());
  EXPECT_EQ(back->mean(), all.mean());
  EXPECT_EQ(back->minimum(), all.minimum());
  EXPECT_EQ(back->maximum(), all.maximum());
  for (const double share : {0.0, 0.01, 0.5, 0.95, 0.99, 1.0})
    EXPECT_EQ(back->percentile(share), all.percentile(share)) << share;
}

TEST(latency_histogram, PartsThatNoHistogramHasAreRefused) {
  using parts = latency_histogram::parts;
  EXPECT_TRUE(latency_histogram::put_together(parts{}));
  EXPECT_FALSE(
      latency_histogram::put_together(parts{{{4'000'000'000U, 1}}, 1, microseconds{1}, microseconds{1}}));
  EXPECT_FALSE(latency_histogram::put_together(parts{{{1, 0}}, 1, microseconds{1}, microseconds{1}}));
  EXPECT_FALSE(latency_histogram::put_together(parts{{{1, 1}}, -1, microseconds{1}, microseconds{1}}));
  EXPECT_FALSE(latency_histogram::put_together(parts{{{1, 1}}, 1, microseconds{2}, microseconds{1}}));
}

TEST(latency_histogram, MergesWhateverComesFirst) {
  latency_histogram small;
  latency_histogram large;
  latency_histogram both;
  for (const int value : {3, 5, 90}) {
    small.record(microseconds{value});
    both.record(microseconds{value});
  }
  for (const int value : {700'000, 900'000}) {
    large.record(microseconds{value});
    both.record(microseconds{value});
  }
  auto upwards = small;
  upwards.merge(large);
  auto downwards = large;
  downwards.merge(small);
  for (const double share : {0.2, 0.4, 0.6, 0.8, 1.0}) {
    EXPECT_EQ(upwards.percentile(share), both.percentile(share)) << share;
    EXPECT_EQ(downwards.percentile(share), both.percentile(share)) << share;
  }
}

} // namespace
} // namespace assay::stats

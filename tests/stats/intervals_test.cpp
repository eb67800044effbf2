#include "core/stats/intervals.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace assay::stats {
namespace {

TEST(t_interval, HasTheWidthOfStudentsQuantiles) {
  // Quantiles by bisection of Simpson's integral of the density, in Python.
  struct expectation {
    uint64_t count;
    double quantile;
  };
  for (const auto& [count, quantile] :
       {expectation{2, 12.706204736175}, expectation{3, 4.302652729750}, expectation{5, 2.776445105198},
        expectation{10, 2.262157162798}, expectation{30, 2.045229642133}, expectation{100, 1.984216951586}}) {
    const interval i = t_interval(10, 2, count);
    EXPECT_NEAR(i.high - 10, 2 * quantile, 1e-7) << count;
    EXPECT_NEAR(10 - i.low, 2 * quantile, 1e-7) << count;
  }
  EXPECT_NEAR(t_interval(0, 1, 10, 0.99).high, 3.2498355415922617, 1e-7);
}

TEST(t_interval, IsAPointWithoutSpread) {
  EXPECT_EQ(t_interval(0.4, 0, 50), (interval{0.4, 0.4}));
  EXPECT_EQ(t_interval(0.4, 0.1, 1), (interval{0.4, 0.4}));
}

TEST(wilson_interval, AgreesWithTheFormula) {
  // (p + z^2/2n -/+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with Python's NormalDist().inv_cdf(0.975).
  // 81 of 263 is the example of Newcombe, Statistics in Medicine 17 (1998): 0.2553 to 0.3662.
  struct expectation {
    uint64_t successes, trials;
    double low, high;
  };
  for (const auto& e :
       {expectation{0, 10, 0, 0.27753279986288915}, expectation{10, 10, 0.7224672001371109, 1},
        expectation{7, 10, 0.39677814746114537, 0.8922087325936989},
        expectation{81, 263, 0.2552885198782743, 0.3662095769828001},
        expectation{1, 29, 0.006113214292762653, 0.17175521879320282}}) {
    const interval i = wilson_interval(e.successes, e.trials);
    EXPECT_NEAR(i.low, e.low, 1e-12);
    EXPECT_NEAR(i.high, e.high, 1e-12);
  }
}

TEST(wilson_interval, KnowsNothingWithoutTrials) { EXPECT_EQ(wilson_interval(0, 0), (interval{0, 1})); }

TEST(clustered_standard_error, AddsResidualsWithinAGroup) {
  const std::array<double, 8> values{1, 0, 1, 1, 0, 0, 1, 0};
  const std::array<uint64_t, 8> clusters{1, 1, 1, 2, 2, 3, 3, 3};
  // Residual sums 0.5, 0, -0.5: sqrt(0.5) / 8.
  EXPECT_NEAR(clustered_standard_error(values, clusters), 0.08838834764831845, 1e-14);
}

TEST(clustered_standard_error, GrowsWhenCopiesAreOneGroup) {
  std::vector<double> values;
  std::vector<uint64_t> apart;
  std::vector<uint64_t> together;
  for (uint64_t i = 0; i < 40; ++i)
    for (uint64_t copy = 0; copy < 5; ++copy) {
      values.push_back(i % 3 == 0 ? 1 : 0);
      apart.push_back(values.size());
      together.push_back(i);
    }
  const double independent = clustered_standard_error(values, apart);
  // Five copies carry the information of one: the error is that of 40 values, sqrt(5) larger.
  EXPECT_NEAR(clustered_standard_error(values, together), independent * 2.23606797749979, 1e-12);
}

TEST(percentile, InterpolatesLikePythonsInclusiveQuantiles) {
  // statistics.quantiles(x, n=20, method='inclusive')
  const std::array<double, 10> sorted{0.05, 0.1, 0.25, 0.3, 0.45, 0.5, 0.6, 0.75, 0.9, 1.0};
  EXPECT_NEAR(percentile(sorted, 0.05), 0.0725, 1e-12);
  EXPECT_NEAR(percentile(sorted, 0.25), 0.2625, 1e-12);
  EXPECT_NEAR(percentile(sorted, 0.50), 0.475, 1e-12);
  EXPECT_NEAR(percentile(sorted, 0.90), 0.91, 1e-12);
  EXPECT_NEAR(percentile(sorted, 0.95), 0.955, 1e-12);
  EXPECT_EQ(percentile(sorted, 0), 0.05);
  EXPECT_EQ(percentile(sorted, 1), 1.0);
  EXPECT_EQ(percentile({}, 0.5), 0);
}

} // namespace
} // namespace assay::stats

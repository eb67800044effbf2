#include "core/stats/bootstrap.hpp"
#include "core/stats/random.hpp"
#include "core/stats/running_stats.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace assay::stats {
namespace {

TEST(random_stream, DrawsTheSameNumbersEverywhere) {
  // splitmix64 of seed 0 begins with e220a8397b1dcdaf; the rest by the authors' reference code in Python.
  random_stream random(0);
  EXPECT_EQ(random.next(), 0x99ec5f36cb75f2b4U);
  EXPECT_EQ(random.next(), 0xbf6e1f784956452aU);
}

TEST(random_stream, DrawsEveryNumberEquallyOften) {
  random_stream random(5);
  std::array<int, 3> counts{};
  for (int i = 0; i < 30'000; ++i)
    ++counts[random.below(3)];
  for (const int count : counts)
    EXPECT_NEAR(count, 10'000, 300);
}

std::vector<double> skewed(size_t count, uint64_t seed) {
  random_stream random(seed);
  std::vector<double> out;
  for (size_t i = 0; i < count; ++i) {
    const double u = random.uniform();
    out.push_back(u * u * u * u);
  }
  return out;
}

TEST(bootstrap, GivesTheSameIntervalForTheSameSeed) {
  const auto values = skewed(40, 1);
  EXPECT_EQ(bootstrap_bca(values, {0.95, 500, 7}), bootstrap_bca(values, {0.95, 500, 7}));
  EXPECT_NE(bootstrap_bca(values, {0.95, 500, 7}), bootstrap_bca(values, {0.95, 500, 8}));
}

TEST(bootstrap, AgreesWithStudentsIntervalWhereThatIsRight) {
  random_stream random(2);
  std::vector<double> values;
  running_stats all;
  for (int i = 0; i < 400; ++i) {
    values.push_back(random.uniform());
    all.add(values.back());
  }
  const auto t = t_interval(all.mean(), all.standard_error(), all.count());
  for (const auto& found :
       {bootstrap_percentile(values, {0.95, 4000, 1}), bootstrap_bca(values, {0.95, 4000, 1})}) {
    EXPECT_NEAR(found.low, t.low, 0.003);
    EXPECT_NEAR(found.high, t.high, 0.003);
  }
}

TEST(bootstrap, LeansWithSkewedValues) {
  const auto values = skewed(30, 3);
  const auto plain = bootstrap_percentile(values, {0.95, 4000, 1});
  const auto corrected = bootstrap_bca(values, {0.95, 4000, 1});
  EXPECT_GT(corrected.low, plain.low);
  EXPECT_GT(corrected.high, plain.high);
}

TEST(bootstrap, KeepsNearItsLevel) {
  int inside = 0;
  constexpr int runs = 200;
  for (uint64_t run = 0; run < runs; ++run) {
    const auto found = bootstrap_bca(skewed(60, 100 + run), {0.95, 400, run});
    inside += found.low <= 0.2 && 0.2 <= found.high ? 1 : 0;
  }
  EXPECT_GE(inside, runs * 90 / 100);
}

TEST(bootstrap, HasNoWidthWithoutSpread) {
  EXPECT_EQ(bootstrap_bca(std::array{0.5, 0.5, 0.5}), (interval{0.5, 0.5}));
  EXPECT_EQ(bootstrap_percentile(std::array{0.5}), (interval{0.5, 0.5}));
  EXPECT_EQ(bootstrap_bca({}), (interval{0, 0}));
}

} // namespace
} // namespace assay::stats

#include "core/stats/power.hpp"
#include "core/stats/random.hpp"
#include "tests/experiments/support.hpp"

#include <chrono>
#include <cmath>
#include <functional>

namespace assay::experiments {
namespace {

using test::json;
using test::test_of;
using test::two_temperatures;

// Every simulation has fixed seeds: what it shows is the same each time.
constexpr uint64_t repeats = 200;
constexpr double alpha = 0.05;

using world = std::function<observation(size_t variant, uint64_t index, stats::random_stream& chance)>;

/// The share of repeats in which somebody who looks after every observation sees a winner.
double decided(const json& written, uint64_t observations, const world& draw) {
  uint64_t hits = 0;
  const auto test = test_of(written);
  for (uint64_t repeat = 0; repeat < repeats; ++repeat) {
    stats::random_stream chance(1000 + repeat);
    ab_tally tally(test);
    for (uint64_t i = 0; i < observations; ++i) {
      const size_t variant =
          test.paired ? i % test.variants.size() : variant_of_unit(test, std::to_string(chance.next()));
      EXPECT_TRUE(tally.add(draw(variant, i / test.variants.size(), chance)));
      if (tally.verdict(false).winner) {
        ++hits;
        break;
      }
    }
  }
  return static_cast<double>(hits) / static_cast<double>(repeats);
}

json measured_by(const char* metric) {
  auto out = two_temperatures();
  out["success_metric"] = metric;
  return out;
}

world successes(double first, double second) {
  return [=](size_t variant, uint64_t, stats::random_stream& chance) {
    return test::success_of(variant, chance.uniform() < (variant == 0 ? first : second));
  };
}

/// Quality of which most is 0 or 1, as scorers give it.
world qualities(double first, double second) {
  return [=](size_t variant, uint64_t, stats::random_stream& chance) {
    const double hit = chance.uniform() < (variant == 0 ? first : second) ? 1 : 0;
    return test::quality_of(variant, 0.8 * hit + 0.2 * chance.uniform());
  };
}

world latencies(double first, double second) {
  return [=](size_t variant, uint64_t, stats::random_stream& chance) {
    observation out;
    out.variant = variant;
    out.response_time = -std::log(1 - chance.uniform()) * (variant == 0 ? first : second);
    return out;
  };
}

/// The unit's own difficulty decides half of it.
world paired_qualities(double gain) {
  return [=](size_t variant, uint64_t index, stats::random_stream& chance) {
    stats::random_stream difficulty(index);
    auto out = test::quality_of(variant, std::min(1.0, 0.45 * difficulty.uniform() + 0.45 * chance.uniform()
                                                           + (variant == 0 ? 0 : gain)));
    out.unit = std::to_string(index);
    return out;
  };
}

TEST(ab_simulation, PeekingAfterEveryObservationKeepsTheFalsePositives) {
  EXPECT_LE(decided(measured_by("success_rate"), 800, successes(0.7, 0.7)), alpha);
  EXPECT_LE(decided(measured_by("quality_score"), 800, qualities(0.6, 0.6)), alpha);
  EXPECT_LE(decided(measured_by("latency"), 800, latencies(2, 2)), alpha);
}

TEST(ab_simulation, PeekingIsSafeWithAnUnevenSplitAndWithPairs) {
  auto uneven = measured_by("quality_score");
  uneven["traffic_split"] = {{"low_temp", 0.2}, {"high_temp", 0.8}};
  EXPECT_LE(decided(uneven, 800, qualities(0.6, 0.6)), alpha);
  auto paired = measured_by("quality_score");
  paired["paired"] = true;
  EXPECT_LE(decided(paired, 800, paired_qualities(0)), alpha);
}

TEST(ab_simulation, PeekingIsSafeAmongFourVariants) {
  auto written = measured_by("success_rate");
  written["variants"] = {{"a", {{"temperature", 0.1}}},
                         {"b", {{"temperature", 0.2}}},
                         {"c", {{"temperature", 0.3}}},
                         {"d", {{"temperature", 0.4}}}};
  EXPECT_LE(decided(written, 800, successes(0.5, 0.5)), alpha);
}

TEST(ab_simulation, ThePowerIsAsStated) {
  // As docs/experiments.md says: three times what a single look needs for a power of 0.8.
  const auto needed = stats::samples_needed_for_proportions(0.6, 0.8);
  EXPECT_GE(decided(measured_by("success_rate"), 2 * 3 * needed, successes(0.6, 0.8)), 0.8);
  EXPECT_GE(decided(measured_by("quality_score"), 2 * 3 * needed, qualities(0.6, 0.8)), 0.8);
}

TEST(ab_simulation, PairsNeedFewerObservations) {
  auto paired = measured_by("quality_score");
  paired["paired"] = true;
  EXPECT_GE(decided(paired, 600, paired_qualities(0.06)), 0.8);
}

TEST(ab_simulation, TheTimeOfATestIsBounded) {
  const auto test = test_of(measured_by("success_rate"));
  ab_tally tally(test);
  const auto draw = successes(0.7, 0.7);
  stats::random_stream chance(7);
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(tally.add(draw(i % 2, i, chance)));
    ASSERT_FALSE(tally.verdict(false).undecided_because.empty());
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{20});
}

} // namespace
} // namespace assay::experiments

#include "core/control/route_choice.hpp"

#include <gmock/gmock.h>

#include <array>
#include <map>

namespace assay::control {
namespace {

using testing::ElementsAre;

route_target target(double latency, double success, double cost, double quality) {
  route_target out;
  out.latency = latency;
  out.success_rate = success;
  out.cost_per_call = cost;
  out.quality = quality;
  return out;
}

const std::vector<route_target> three{target(1.0, 0.9, 0.02, 0.7), target(0.4, 0.8, 0.10, 0.9),
                                      target(2.0, 0.99, 0.01, 0.6)};

TEST(route_choice, EachStrategyLooksAtItsOwnRespect) {
  EXPECT_THAT(order_targets(route_strategy::in_order, three, 5, 0.9), ElementsAre(0, 1, 2));
  EXPECT_THAT(order_targets(route_strategy::performance_based, three, 0, 0), ElementsAre(1, 0, 2));
  EXPECT_THAT(order_targets(route_strategy::cost_optimized, three, 0, 0), ElementsAre(2, 0, 1));
  EXPECT_THAT(order_targets(route_strategy::quality_first, three, 0, 0), ElementsAre(1, 0, 2));
}

TEST(route_choice, RoundRobinTakesTurnsAmongTheAvailable) {
  auto targets = three;
  EXPECT_THAT(order_targets(route_strategy::round_robin, targets, 1, 0), ElementsAre(1, 0, 2));
  EXPECT_THAT(order_targets(route_strategy::round_robin, targets, 5, 0), ElementsAre(2, 0, 1));
  targets[1].available = false;
  EXPECT_THAT(order_targets(route_strategy::round_robin, targets, 1, 0), ElementsAre(2, 0, 1));
}

TEST(route_choice, UnavailableTargetsComeLastWhateverTheirMerit) {
  auto targets = three;
  targets[2].available = false;
  EXPECT_THAT(order_targets(route_strategy::cost_optimized, targets, 0, 0), ElementsAre(0, 1, 2));
  for (auto& one : targets)
    one.available = false;
  EXPECT_THAT(order_targets(route_strategy::quality_first, targets, 0, 0), ElementsAre(0, 1, 2));
}

TEST(route_choice, LeastLoadedComparesSharesOfTheLimit) {
  auto targets = three;
  targets[0].in_use = 10;
  targets[0].limit = 100;
  targets[1].in_use = 5;
  targets[1].limit = 10;
  targets[2].in_use = 8;
  targets[2].limit = 100;
  EXPECT_THAT(order_targets(route_strategy::least_loaded, targets, 0, 0), ElementsAre(2, 0, 1));
}

TEST(route_choice, WeightedRandomFollowsTheWeights) {
  auto targets = three;
  targets[0].weight = 1;
  targets[1].weight = 3;
  targets[2].weight = 6;
  std::map<size_t, int> first;
  for (int i = 0; i < 1'000; ++i)
    ++first[order_targets(route_strategy::weighted_random, targets, 0, (i + 0.5) / 1'000).front()];
  EXPECT_EQ(first[0], 100);
  EXPECT_EQ(first[1], 300);
  EXPECT_EQ(first[2], 600);
}

TEST(route_choice, ANewcomerIsNeitherAvoidedNorPreferred) {
  auto targets = three;
  targets.emplace_back();
  const auto order = order_targets(route_strategy::cost_optimized, targets, 0, 0);
  EXPECT_THAT(order, ElementsAre(2, 0, 3, 1)) << "the mean of 0.02, 0.10 and 0.01";
}

TEST(route_choice, SelectionRanksByWhatMatters) {
  EXPECT_EQ(rank_targets(selection_priority::cost, three).front().target, 2u);
  EXPECT_EQ(rank_targets(selection_priority::speed, three).front().target, 1u);
  EXPECT_EQ(rank_targets(selection_priority::quality, three).front().target, 1u);
  const auto balanced = rank_targets(selection_priority::balanced, three);
  ASSERT_EQ(balanced.size(), 3u);
  for (const auto& one : balanced)
    EXPECT_NEAR(one.total, 0.25 * (one.speed + one.quality + one.cost + one.reliability), 1e-12);
}

TEST(route_choice, SelectionLeavesOutWhatIsNotAvailable) {
  auto targets = three;
  targets[1].available = false;
  EXPECT_EQ(rank_targets(selection_priority::speed, targets).size(), 2u);
  EXPECT_TRUE(rank_targets(selection_priority::speed, {}).empty());
}

TEST(route_choice, NamesAreUnderstoodInBothCases) {
  for (const auto strategy :
       {route_strategy::in_order, route_strategy::round_robin, route_strategy::weighted_random,
        route_strategy::performance_based, route_strategy::least_loaded, route_strategy::cost_optimized,
        route_strategy::quality_first})
    EXPECT_EQ(route_strategy_from_string(to_string(strategy)), strategy);
  EXPECT_EQ(route_strategy_from_string("PERFORMANCE_BASED"), route_strategy::performance_based);
  EXPECT_FALSE(route_strategy_from_string("best"));
  EXPECT_EQ(selection_priority_from_string("balanced"), selection_priority::balanced);
  EXPECT_FALSE(selection_priority_from_string(""));
}

} // namespace
} // namespace assay::control

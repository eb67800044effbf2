#include "core/control/route_changes.hpp"

#include <gtest/gtest.h>

namespace assay::control {
namespace {

const model_id the_route{"either"};
constexpr wall_time noon{seconds{1'704'110'400}};

std::vector<named_route> configured() {
  call_route route;
  route.strategy = route_strategy::in_order;
  route.models = {{model_id{"m"}, provider_id{"a"}, "m", std::nullopt, 1, std::nullopt},
                  {model_id{"n"}, provider_id{"b"}, "n", std::nullopt, 2, std::nullopt},
                  {model_id{"n"}, provider_id{"c"}, "n", std::nullopt, 1, std::nullopt}};
  return {{the_route, route}};
}

result<route_changes> change(const route_changes& before, const route_wish& wish) {
  return before.with(configured(), the_route, wish, "ann", noon);
}

TEST(route_changes, StrategyAndWeightsReplaceThoseOfTheConfiguration) {
  const auto changed = change({}, {route_strategy::weighted_random, {{"b/n", 7}, {"m", 3}}, false});
  ASSERT_TRUE(changed.has_value());
  const auto now = changed->applied(the_route, configured().front().route);
  EXPECT_EQ(now.strategy, route_strategy::weighted_random);
  EXPECT_EQ(now.models[0].weight, 3u);
  EXPECT_EQ(now.models[1].weight, 7u);
  EXPECT_EQ(now.models[2].weight, 1u) << "not named, so as it was";
  EXPECT_EQ(changed->find(the_route)->who, "ann");
  EXPECT_EQ(changed->find(the_route)->at, noon);
}

TEST(route_changes, OneChangeAddsToTheOtherUntilAResetTakesAllBack) {
  auto now = change({}, {route_strategy::round_robin, {}, false}).value();
  now = change(now, {std::nullopt, {{"m", 9}}, false}).value();
  EXPECT_EQ(now.applied(the_route, configured().front().route).strategy, route_strategy::round_robin);
  EXPECT_EQ(now.applied(the_route, configured().front().route).models[0].weight, 9u);
  now = change(now, {std::nullopt, {}, true}).value();
  EXPECT_EQ(now.find(the_route), nullptr);
  EXPECT_EQ(now.applied(the_route, configured().front().route), configured().front().route);
}

TEST(route_changes, WhatIsAsConfiguredIsNoChange) {
  auto now = change({}, {route_strategy::round_robin, {{"m", 9}}, false}).value();
  now = change(now, {route_strategy::in_order, {{"m", 1}}, false}).value();
  EXPECT_EQ(now.find(the_route), nullptr);
}

TEST(route_changes, AResetAndAChangeMayComeTogether) {
  auto now = change({}, {route_strategy::round_robin, {{"m", 9}}, false}).value();
  now = change(now, {route_strategy::least_loaded, {}, true}).value();
  EXPECT_EQ(now.find(the_route)->strategy, route_strategy::least_loaded);
  EXPECT_TRUE(now.find(the_route)->weights.empty());
}

TEST(route_changes, NamesWhatIsWrong) {
  const auto code = [](const route_wish& wish) { return change({}, wish).error().where; };
  EXPECT_EQ(code({std::nullopt, {}, false}), "strategy");
  EXPECT_EQ(code({std::nullopt, {{"nobody", 1}}, false}), "weights.nobody");
  EXPECT_EQ(code({std::nullopt, {{"n", 1}}, false}), "weights.n") << "two providers have it";
  EXPECT_EQ(code({std::nullopt, {{"m", 0}}, false}), "weights.m");
  EXPECT_EQ(code({std::nullopt, {{"m", 1'000'001}}, false}), "weights.m");
  const auto unknown =
      route_changes{}.with(configured(), model_id{"other"}, {route_strategy::in_order, {}, false}, "", noon);
  EXPECT_EQ(unknown.error().code, errc::not_found);
  EXPECT_EQ(unknown.error().where, "route");
}

TEST(route_changes, AFailedWishChangesNothing) {
  const auto before = change({}, {route_strategy::round_robin, {}, false}).value();
  const auto copy = before;
  EXPECT_FALSE(change(before, {route_strategy::in_order, {{"nobody", 1}}, false}).has_value());
  EXPECT_EQ(before, copy);
}

TEST(route_changes, SurviveAsAText) {
  const auto now = change({}, {route_strategy::quality_first, {{"c/n", 5}}, false}).value();
  EXPECT_EQ(route_changes::from_text(now.to_text()), now);
  EXPECT_EQ(route_changes::from_text(route_changes{}.to_text()), route_changes{});
}

TEST(route_changes, ATextOfAnotherVersionLosesOnlyWhatItDoesNotSay) {
  EXPECT_FALSE(route_changes::from_text("no json").has_value());
  EXPECT_FALSE(route_changes::from_text("[1]").has_value());
  const auto read = route_changes::from_text(
      R"({"a":7,"b":{"weights":{"x/y":-1},"changed_by":"","changed_at":""},)"
      R"("either":{"weights":{"a/m":4,"b/n":0},"strategy":"by_magic","changed_by":"ann","changed_at":"never"}})");
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->find(model_id{"a"}), nullptr);
  ASSERT_NE(read->find(the_route), nullptr);
  EXPECT_FALSE(read->find(the_route)->strategy.has_value());
  EXPECT_EQ(read->find(the_route)->weights, (std::map<std::string, uint32_t>{{"a/m", 4}}));
}

} // namespace
} // namespace assay::control

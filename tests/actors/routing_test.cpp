#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using test::farm_world;
using namespace std::chrono_literals;

const provider_id second_provider{"second-provider"};
const model_id second_model{"second"};

/// A route of two models at two providers, through the whole farm.
class routing : public farm_world {
protected:
  static call_route the_route() {
    call_route out;
    out.models = {{test::the_model, test::the_provider, "m", token_prices{1, 1, {}}, 1, 0.9},
                  {second_model, second_provider, "n", token_prices{1, 1, {}}, 1, std::nullopt}};
    return out;
  }

  root_supervisor_config with_route() {
    auto out = config();
    auto second = out.providers.providers.front();
    second.id = second_provider;
    second.keys.clear();
    second.key = secret{"second-key"};
    out.providers.providers.push_back(second);
    out.runs.admit = [](const run_request& request) {
      auto pinned = admit(request);
      if (pinned)
        pinned->record.spec.route = the_route();
      return pinned;
    };
    out.router.routes = {{test::the_model, the_route()}};
    out.router.recall_changes = [this]() -> std::optional<std::string> {
      const auto found = store->documents.find("settings/router.routes");
      return found == store->documents.end() ? std::nullopt : std::optional{found->second};
    };
    return out;
  }

  result<monitoring::route_view> change(std::optional<route_strategy> strategy,
                                        std::vector<std::pair<std::string, uint32_t>> weights = {},
                                        bool reset = false) {
    return ask<monitoring::route_view>(
        handles().router,
        change_routing{test::the_model, strategy, std::move(weights), reset, user_id{"ann"}});
  }

  monitoring::routing_view seen() {
    auto found = ask<monitoring::routing_view>(handles().router, read_routing{});
    EXPECT_TRUE(found.has_value());
    return found ? *found : monitoring::routing_view{};
  }
};

TEST_F(routing, ShowsWhatIsConfiguredAndWhatWasLearnt) {
  start_farm(with_route());
  auto view = seen();
  ASSERT_EQ(view.routes.size(), 1u);
  EXPECT_EQ(view.routes[0].strategy, route_strategy::in_order);
  EXPECT_FALSE(view.routes[0].changed);
  ASSERT_EQ(view.routes[0].targets.size(), 2u);
  EXPECT_EQ(view.routes[0].targets[0].quality, 0.9);
  EXPECT_FALSE(view.routes[0].targets[0].success_rate.has_value());
  EXPECT_TRUE(view.targets.empty());
  submit(3);
  view = seen();
  EXPECT_EQ(view.routes[0].lanes, 1u);
  EXPECT_EQ(view.routes[0].targets[0].in_use, 3u);
  answer_everything();
  view = seen();
  EXPECT_EQ(view.routes[0].targets[0].success_rate, 1.0);
  EXPECT_EQ(view.routes[0].targets[0].in_use, 0u);
  EXPECT_FALSE(view.routes[0].targets[1].success_rate.has_value());
  EXPECT_EQ(view.targets.size(), 2u);
}

TEST_F(routing, AChangeHoldsForNewCallsOfARunUnderWay) {
  start_farm(with_route());
  const auto id = submit(300);
  ASSERT_EQ(wire.sent_with("second-key"), 0u) << "the second stands by";
  const auto changed = change(route_strategy::round_robin);
  ASSERT_TRUE(changed.has_value());
  EXPECT_EQ(changed->strategy, route_strategy::round_robin);
  EXPECT_EQ(changed->lanes, 1u);
  answer_everything();
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_GT(wire.sent_with("second-key"), 50u);
}

TEST_F(routing, WeightsAreChangedToo) {
  start_farm(with_route());
  ASSERT_TRUE(change(route_strategy::weighted_random, {{"second", 1'000'000}}).has_value());
  const auto id = submit(100);
  answer_everything();
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_GE(wire.sent_with("second-key"), 98u);
}

TEST_F(routing, AChangeOutlivesTheProcessUntilItIsTakenBack) {
  start_farm(with_route());
  ASSERT_TRUE(change(route_strategy::least_loaded, {{"second-provider/second", 7}}).has_value());
  crash_farm();
  start_farm(with_route());
  const auto view = seen().routes.at(0);
  EXPECT_EQ(view.strategy, route_strategy::least_loaded);
  EXPECT_EQ(view.configured, route_strategy::in_order);
  EXPECT_TRUE(view.changed);
  EXPECT_EQ(view.changed_by, "ann");
  EXPECT_EQ(view.targets[1].weight, 7u);
  EXPECT_EQ(view.targets[1].configured_weight, 1u);
  ASSERT_TRUE(change(std::nullopt, {}, true).has_value());
  crash_farm();
  start_farm(with_route());
  EXPECT_FALSE(seen().routes.at(0).changed);
}

TEST_F(routing, AChangeHoldsOnceItIsStored) {
  start_farm(with_route());
  store->hold = true;
  tell(handles().router, change_routing{test::the_model, route_strategy::round_robin, {}, false, {}});
  EXPECT_FALSE(seen().routes.at(0).changed);
  EXPECT_EQ(change(route_strategy::least_loaded).error().code, errc::busy) << "one after the other";
  store->hold = false;
  store->commit();
  run();
  EXPECT_EQ(seen().routes.at(0).strategy, route_strategy::round_robin);
  EXPECT_TRUE(change(route_strategy::least_loaded).has_value());
}

TEST_F(routing, WhatMakesNoSenseIsRefused) {
  start_farm(with_route());
  EXPECT_EQ(change(std::nullopt).error().code, errc::invalid_argument);
  EXPECT_EQ(change(std::nullopt, {{"nobody", 2}}).error().where, "weights.nobody");
  const auto unknown = ask<monitoring::route_view>(
      handles().router, change_routing{model_id{"other"}, route_strategy::in_order, {}, false, {}});
  EXPECT_EQ(unknown.error().code, errc::not_found);
  EXPECT_FALSE(store->documents.contains("settings/router.routes"));
}

} // namespace
} // namespace assay

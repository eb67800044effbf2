#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;

const provider_id standby_provider{"standby"};
const model_id standby_model{"second"};

/// A run whose model has a fallback at another provider, through the whole farm.
class failover : public farm_world {
protected:
  root_supervisor_config with_standby() {
    auto out = config();
    auto second = out.providers.providers.front();
    second.id = standby_provider;
    second.keys.clear();
    second.key = secret{"standby-key"};
    out.providers.providers.push_back(second);
    out.runs.admit = [](const run_request& request) {
      auto pinned = admit(request);
      if (pinned)
        pinned->record.spec.route.models = {
            {test::the_model, test::the_provider, "m", token_prices{1, 1, {}}, 1, {}},
            {standby_model, standby_provider, "n", token_prices{1, 1, {}}, 1, {}}};
      return pinned;
    };
    return out;
  }

  void the_first_is_gone() {
    wire.respond_to_key = [](const http_request&, const std::string& key) {
      return std::optional{key == "standby-key" ? fake_wire::answer(0, "right")
                                                : fake_wire::broken(0, errc::connect_failed, false)};
    };
  }

  std::map<std::string, size_t> served(run_id id) {
    std::map<std::string, size_t> out;
    for (const auto& [address, response] : store->responses[id])
      ++out[response.served_by];
    return out;
  }
};

TEST_F(failover, EverySampleIsAnsweredByTheStandbyWhenTheFirstIsGone) {
  cap = 40;
  the_first_is_gone();
  start_farm(with_standby());
  const auto id = submit(300);
  advance(10s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 300u);
  EXPECT_EQ(served(id), (std::map<std::string, size_t>{{"standby/second", 300}}));
  EXPECT_EQ(wire.sent_with("standby-key"), 300u) << "none is asked twice there";
}

TEST_F(failover, QualityIsCountedUnderWhoAnswered) {
  the_first_is_gone();
  start_farm(with_standby());
  submit(30);
  advance(10s);
  const auto seen = ask<monitoring::monitor_view>(handles().monitor, read_monitor{});
  ASSERT_TRUE(seen.has_value());
  std::map<std::string, uint64_t> judged;
  for (const auto& one : seen->models)
    if (one.windows.day.judged > 0)
      judged[one.provider.value + "/" + one.model.value] = one.windows.day.judged;
  EXPECT_EQ(judged, (std::map<std::string, uint64_t>{{"standby/second", 30}}));
}

TEST_F(failover, CallsThatWaitForTheirNextTryMoveToo) {
  cap = 40;
  int number = 0;
  wire.respond_to_key = [&](const http_request&, const std::string& key) {
    const bool good = key == "standby-key" || ++number <= 10;
    return std::optional{good ? fake_wire::answer(0, "right")
                              : fake_wire::broken(0, errc::connect_failed, false)};
  };
  start_farm(with_standby());
  const auto id = submit(100);
  advance(10s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 100u);
}

TEST_F(failover, TheFirstGetsCallsAgainWhenItIsBack) {
  cap = 10;
  the_first_is_gone();
  start_farm(with_standby());
  const auto id = submit(200);
  advance(10s);
  ASSERT_EQ(find(id).state, run_state::completed);
  wire.respond_to_key = [](const http_request&, const std::string&) {
    return std::optional{fake_wire::answer(0, "right")};
  };
  wall += 1s;
  advance(2min, 100ms);
  const auto before = wire.sent_with("standby-key");
  const auto later = submit(50);
  advance(10s);
  EXPECT_EQ(find(later).state, run_state::completed);
  EXPECT_LT(wire.sent_with("standby-key") - before, 50u);
}

TEST_F(failover, ARunThatBeginsWhileTheFirstRestsHearsWhenItIsReady) {
  cap = 10;
  the_first_is_gone();
  start_farm(with_standby());
  const auto id = submit(100);
  advance(4s);
  ASSERT_EQ(find(id).state, run_state::completed);
  // From here on nothing but time passes at the first.
  wire.respond_to_key = [&](const http_request&, const std::string& key) {
    return key == "standby-key" ? std::nullopt : std::optional{fake_wire::answer(0, "right")};
  };
  wall += 1s;
  const auto before = wire.keys.size();
  submit(200);
  advance(90s, 100ms);
  for (int i = 0; i < 20 && wire.answer_next("right"); ++i)
    run();
  const auto asked_first =
      std::count_if(wire.keys.begin() + static_cast<std::ptrdiff_t>(before), wire.keys.end(),
                    [](const std::string& key) { return key != "standby-key"; });
  EXPECT_GT(asked_first, 0);
}

TEST_F(failover, ACancelReachesEveryTarget) {
  cap = 5;
  wire.respond_to_key = [](const http_request&, const std::string& key) {
    return key == "standby-key" ? std::nullopt
                                : std::optional{fake_wire::broken(0, errc::connect_failed, false)};
  };
  start_farm(with_standby());
  const auto id = submit(100);
  advance(1s);
  ASSERT_TRUE(verb(id, run_verb::cancel).has_value());
  answer_everything();
  advance(40s, 100ms);
  EXPECT_EQ(find(id).state, run_state::cancelled);
  EXPECT_TRUE(state_of<model_router_state>(handles().router).calls.empty());
}

} // namespace
} // namespace assay

#include "tests/actors/farm_world.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

namespace assay {
namespace {

using nlohmann::json;
using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;
using testing::HasSubstr;

/// What the monitor changes at the providers, and what it learns of them.
class tuning : public farm_world {
protected:
  root_supervisor_config watched() {
    auto out = config();
    out.monitor.wall = [this] { return wall; };
    out.monitor.retries = out.providers.child.retries;
    return out;
  }

  monitor_actor the_monitor() { return handles().monitor; }

  void see(size_t count, milliseconds duration, std::vector<monitoring::failed_try_seen> failed = {},
           std::optional<errc> error = {}) {
    observe_calls message;
    for (size_t i = 0; i < count; ++i) {
      call_observation one;
      one.model = test::the_model;
      one.provider = test::the_provider;
      one.duration = duration;
      one.failed_tries = failed;
      one.error = error;
      message.calls.push_back(std::move(one));
    }
    tell(the_monitor(), std::move(message));
  }

  void see_useless_retries() {
    see(200, 10ms,
        std::vector<monitoring::failed_try_seen>(5,
                                                 {errc::connect_failed, control::retry_strategy::exponential,
                                                  400ms, monitoring::wait_half::unknown}),
        errc::connect_failed);
  }

  json retries() {
    const auto report = ask<retry_report>(the_monitor(), read_retries{});
    EXPECT_TRUE(report.has_value());
    return report ? json::parse(report->text) : json{};
  }

  monitoring::monitor_view view() {
    const auto seen = ask<monitoring::monitor_view>(the_monitor(), read_monitor{});
    EXPECT_TRUE(seen.has_value());
    return seen ? *seen : monitoring::monitor_view{};
  }

  std::vector<std::string> changes() {
    std::vector<std::string> out;
    for (const auto& one : view().alerts)
      if (one.kind == monitoring::alert_kind::fleet_change)
        out.push_back(one.message);
    return out;
  }

  void set(const char* change) {
    ASSERT_TRUE(
        ask<monitoring::thresholds>(the_monitor(), change_thresholds{change, user_id{"ann"}}).has_value());
    advance(31s, 500ms);
  }

  uint16_t attempts() { return provider_now().retries.rule_for(errc::connect_failed).attempts; }
  uint32_t window() { return provider_now().models.at(test::the_model)->gates.front().window.limit(); }
};

// -- retries -----------------------------------------------------------------------------------------------

TEST_F(tuning, RetriesOfTheFarmsOwnCallsAreCounted) {
  start_farm(watched());
  const auto id = submit(1);
  wire.deliver(fake_wire::failure(wire.requests.front().id, 503));
  advance(25s, 50ms);
  answer_everything();
  ASSERT_EQ(find(id).state, run_state::completed);
  const auto seen = retries();
  EXPECT_EQ(seen["providers"][0]["answered_after_retry"], 1);
  EXPECT_EQ(seen["retries"][0]["error"], "provider_unavailable");
  EXPECT_EQ(seen["retries"][0]["strategy"], "exponential");
  EXPECT_EQ(seen["retries"][0]["succeeded"], 1);
  EXPECT_EQ(seen["recent"][0]["then"], "succeeded");
  EXPECT_EQ(seen["recent"][0]["model_id"], test::the_model.value);
}

TEST_F(tuning, ProposalsAreShownAndNotAppliedByThemselves) {
  start_farm(watched());
  see_useless_retries();
  advance(31s, 500ms);
  EXPECT_EQ(retries()["advice"][0]["action"], "fewer_attempts");
  EXPECT_EQ(attempts(), 5);
  EXPECT_THAT(changes(), testing::IsEmpty());
}

TEST_F(tuning, ProposalsAreAppliedWhereThatIsAllowedAndTakenBackWhenItIsNotAnyMore) {
  auto with = watched();
  with.monitor.limits.apply_retry_advice = true;
  start_farm(with);
  see_useless_retries();
  advance(31s, 500ms);
  EXPECT_EQ(attempts(), 2);
  ASSERT_EQ(changes().size(), 1u);
  EXPECT_THAT(changes()[0], HasSubstr("retries after connect_failed"));
  auto seen = retries();
  EXPECT_EQ(seen["rules"][0]["rule"]["max_attempts"], 2);
  EXPECT_EQ(seen["rules"][0]["configured"]["max_attempts"], 5);
  EXPECT_TRUE(seen["advice"].empty()) << "what was seen under the old rule is no evidence about the new one";
  EXPECT_EQ(seen["retries"][0]["given_up"], 200) << "the counts go on";
  set(R"({"apply_retry_advice":false})");
  EXPECT_EQ(attempts(), 5);
  EXPECT_EQ(changes().size(), 2u);
  EXPECT_TRUE(retries()["rules"].empty());
}

TEST_F(tuning, AChangeIsAnEventThatTheStoreKeeps) {
  auto with = watched();
  with.monitor.limits.apply_retry_advice = true;
  start_farm(with);
  see_useless_retries();
  advance(31s, 500ms);
  std::string kept;
  for (const auto& [key, text] : store->documents)
    if (key.starts_with("alerts/"))
      kept += text;
  EXPECT_THAT(kept, HasSubstr("fleet_change"));
  EXPECT_THAT(kept, HasSubstr("resolved"));
}

TEST_F(tuning, AProviderThatFellGetsItsRulesAgain) {
  auto with = watched();
  with.monitor.limits.apply_retry_advice = true;
  start_farm(with);
  see_useless_retries();
  advance(31s, 500ms);
  ASSERT_EQ(attempts(), 2);
  kill(the_provider_actor());
  advance(2s);
  EXPECT_EQ(attempts(), 2);
}

// -- calls in flight ---------------------------------------------------------------------------------------

TEST_F(tuning, RecommendationsOnCallsInFlightAreAppliedWithinTheConfiguration) {
  auto with = watched();
  with.monitor.limits.auto_scaling_enabled = true;
  start_farm(with);
  submit(100);
  ASSERT_EQ(window(), 8u);
  see(50, 16s);
  advance(31s, 500ms);
  EXPECT_EQ(window(), 4u);
  ASSERT_EQ(view().scaled.size(), 1u);
  EXPECT_EQ(view().scaled[0].share, 0.5);
  ASSERT_EQ(changes().size(), 1u);
  EXPECT_THAT(changes()[0], HasSubstr("50 %"));
  advance(2min, 500ms);
  EXPECT_EQ(window(), 4u) << "the same five minutes count once";
  wall += 6min;
  advance(31s, 500ms);
  EXPECT_EQ(window(), 5u) << "back in steps";
  set(R"({"auto_scaling_enabled":false})");
  EXPECT_EQ(window(), 8u);
  EXPECT_TRUE(view().scaled.empty());
}

TEST_F(tuning, NothingIsScaledUnlessItIsSwitchedOn) {
  start_farm(watched());
  submit(100);
  see(50, 16s);
  advance(31s, 500ms);
  EXPECT_EQ(window(), 8u);
  EXPECT_THAT(changes(), testing::IsEmpty());
}

TEST_F(tuning, AScaledModelKeepsItsShareWhenItsProviderFalls) {
  auto with = watched();
  with.monitor.limits.auto_scaling_enabled = true;
  start_farm(with);
  submit(100);
  see(50, 16s);
  advance(31s, 500ms);
  ASSERT_EQ(window(), 4u);
  kill(the_provider_actor());
  advance(2s);
  EXPECT_EQ(window(), 4u);
}

// -- health ------------------------------------------------------------------------------------------------

class health_checks : public tuning {
protected:
  size_t asked = 0;
  std::optional<errc> broken; ///< What comes back for the list of models.

  root_supervisor_config checked() {
    auto out = watched();
    out.providers.child.health_check_interval = 60s;
    out.providers.providers.front().key_required = false;
    wire.respond = [this](const http_request& request) -> std::optional<http_outcome> {
      if (!request.body.empty())
        return fake_wire::answer(0, "right");
      ++asked;
      EXPECT_EQ(request.target, "/models");
      if (broken)
        return fake_wire::broken(0, *broken, false);
      auto list = fake_wire::answer(0, "");
      list.body = shared_text{R"({"object":"list","data":[{"id":"m","object":"model"}]})"};
      return list;
    };
    return out;
  }

  control::breaker& the_breaker() { return provider_now().models.at(test::the_model)->breaker; }
};

TEST_F(health_checks, AProviderThatNobodyHasUsedIsLeftAlone) {
  start_farm(checked());
  advance(5min, 500ms);
  EXPECT_EQ(asked, 0u);
}

TEST_F(health_checks, AnIdleProviderIsAskedSomethingFreeOnceAnInterval) {
  start_farm(checked());
  submit(3);
  answer_everything();
  const auto paid = wire.bodies.size();
  advance(200s, 500ms);
  EXPECT_GE(asked, 2u);
  EXPECT_LE(asked, 3u);
  EXPECT_EQ(wire.bodies.size(), paid + asked) << "nothing else went out";
  ASSERT_EQ(view().health.size(), 1u);
  EXPECT_TRUE(view().health[0].healthy);
}

TEST_F(health_checks, NobodyIsAskedByDefault) {
  auto with = checked();
  with.providers.child.health_check_interval = 0s;
  start_farm(with);
  submit(3);
  answer_everything();
  advance(10min, 500ms);
  EXPECT_EQ(asked, 0u);
}

TEST_F(health_checks, WhoDoesNotAnswerIsNotHealthyUntilItDoes) {
  start_farm(checked());
  submit(3);
  answer_everything();
  broken = errc::connect_failed;
  advance(121s, 500ms);
  ASSERT_EQ(view().health.size(), 1u);
  EXPECT_FALSE(view().health[0].healthy);
  EXPECT_FALSE(view().health[0].reason.empty());
  EXPECT_EQ(the_breaker().state(), control::breaker_state::closed) << "one answer trips nothing";
  broken.reset();
  advance(61s, 500ms);
  EXPECT_TRUE(view().health[0].healthy);
}

TEST_F(health_checks, AnAnswerIsAProbeOfAnOpenBreaker) {
  start_farm(checked());
  submit(3);
  answer_everything();
  for (int i = 0; i < 30; ++i)
    if (const auto permit = the_breaker().try_acquire(now()))
      the_breaker().record(*permit, control::breaker_outcome::failure, now(), 0);
  ASSERT_EQ(the_breaker().state(), control::breaker_state::open);
  broken = errc::connect_failed;
  advance(121s, 500ms);
  EXPECT_EQ(the_breaker().state(), control::breaker_state::open);
  broken.reset();
  advance(61s, 500ms);
  EXPECT_EQ(the_breaker().state(), control::breaker_state::half_open) << "the first stage is passed";
}

TEST_F(health_checks, WhereThereIsNoListNobodyAsksAgain) {
  auto with = checked();
  wire.respond = [this](const http_request& request) -> std::optional<http_outcome> {
    if (!request.body.empty())
      return fake_wire::answer(0, "right");
    ++asked;
    return fake_wire::failure(0, 404);
  };
  start_farm(with);
  submit(3);
  answer_everything();
  advance(10min, 500ms);
  EXPECT_EQ(asked, 1u);
}

} // namespace
} // namespace assay

#include "actors/supervision/restart_policy.hpp"
#include "tests/actors/farm_world.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using test::farm_world;
using namespace std::chrono_literals;

// -- the policy --------------------------------------------------------------------------------------------

TEST(restart_policy, BacksOffExponentiallyWithJitterOnTop) {
  restart_policy policy{{5, 30s, 50ms, 5s}};
  const std::chrono::steady_clock::time_point start{1h};
  EXPECT_EQ(policy.on_fall(start, 0.0), 50ms);
  EXPECT_EQ(policy.on_fall(start, 0.0), 100ms);
  EXPECT_EQ(policy.on_fall(start, 0.5), 220ms);
}

TEST(restart_policy, EscalatesAfterFiveRestartsInThePeriod) {
  restart_policy policy{{5, 30s, 50ms, 5s}};
  const std::chrono::steady_clock::time_point start{1h};
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(policy.on_fall(start + i * 1s, 0.0).has_value());
  EXPECT_FALSE(policy.on_fall(start + 6s, 0.0).has_value());
}

TEST(restart_policy, ForgetsFallsThatAreOlderThanThePeriod) {
  restart_policy policy{{5, 30s, 50ms, 5s}};
  const std::chrono::steady_clock::time_point start{1h};
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(policy.on_fall(start + i * 31s, 0.0), 50ms);
}

// -- every kind of actor falls once ------------------------------------------------------------------------

class falling_actors : public farm_world {
protected:
  /// Half of the run's answers are in, some calls are in flight, then @p victim dies: the run must complete,
  /// with every sample scored once.
  template <class Victim>
  void survives(Victim find_victim) {
    cap = 3;
    start_farm();
    const auto id = submit(12);
    for (int i = 0; i < 5; ++i) {
      wire.answer_next("right");
      run();
    }
    kill(find_victim(id));
    advance(2s);
    answer_everything();
    advance(10s, 50ms);
    answer_everything();
    const auto record = find(id);
    EXPECT_EQ(record.state, run_state::completed);
    EXPECT_EQ(record.progress.done, 12u);
    EXPECT_EQ(scored(id), 12u);
    EXPECT_LE(wire.bodies.size(), 12u + 3u) << "at most the calls in flight are repeated";
    EXPECT_FALSE(escalation.has_value());
  }
};

TEST_F(falling_actors, Connection) {
  survives([this](run_id) { return the_connection(); });
}

TEST_F(falling_actors, RateLimiter) {
  survives([this](run_id) { return the_limiter(); });
}

TEST_F(falling_actors, Provider) {
  survives([this](run_id) { return the_provider_actor(); });
}

TEST_F(falling_actors, ProviderSupervisor) {
  survives([this](run_id) { return handles().providers; });
}

TEST_F(falling_actors, ModelRouter) {
  survives([this](run_id) { return handles().router; });
}

TEST_F(falling_actors, Evaluation) {
  survives([this](run_id id) { return the_evaluation(id); });
}

TEST_F(falling_actors, RunSupervisor) {
  survives([this](run_id) { return handles().runs; });
}

TEST_F(falling_actors, Journal) {
  survives([this](run_id) { return handles().journal; });
}

TEST_F(falling_actors, EventHub) {
  survives([this](run_id) { return handles().event_hub; });
}

TEST_F(falling_actors, Monitor) {
  survives([this](run_id) { return handles().monitor; });
}

TEST_F(falling_actors, ResponseCache) {
  survives([this](run_id) { return handles().cache; });
}

TEST_F(falling_actors, BudgetKeeper) {
  survives([this](run_id) { return handles().budgets; });
}

// -- what must not happen ----------------------------------------------------------------------------------

TEST_F(falling_actors, ARestartedLimiterDoesNotStartWithAFullBucket) {
  limits.requests_per_minute = 60;
  start_farm();
  submit(100);
  advance(3s);
  const auto before = wire.bodies.size();
  wire.respond = [](const http_request&) { return std::optional{test::fake_wire::answer(0, "right")}; };
  for (int i = 0; i < 3; ++i) {
    kill(the_limiter());
    advance(500ms);
  }
  // 60 a minute is one a second: three restarts must not buy three bursts.
  EXPECT_LE(wire.bodies.size(), before + 3u);
}

TEST_F(falling_actors, AProviderThatFallsAgainAndAgainEscalatesToTheRoot) {
  start_farm();
  submit(5);
  for (int i = 0; i < 400 && !escalation; ++i) {
    if (auto found = ask<farm_handles>(root, find_farm{})) {
      auto& state = state_of<provider_supervisor_state>(found->providers);
      if (const auto child = state.children_by_id.at(test::the_provider).handle)
        kill(child);
    }
    advance(50ms);
  }
  ASSERT_TRUE(escalation.has_value());
  EXPECT_EQ(escalation->code, errc::actor_lost);
}

TEST_F(falling_actors, AnEvaluationThatFallsAgainAndAgainFailsItsRunOnly) {
  start_farm();
  const auto id = submit(5);
  const auto healthy = submit(5);
  for (int i = 0; i < 10 && !is_final(find(id).state); ++i) {
    if (const auto child = the_evaluation(id))
      kill(child);
    advance(3s, 50ms);
  }
  EXPECT_EQ(find(id).state, run_state::failed);
  EXPECT_EQ(find(id).error->code, errc::actor_lost);
  EXPECT_EQ(find(healthy).state, run_state::running);
  EXPECT_FALSE(escalation.has_value());
}

TEST_F(falling_actors, EveryActorHasASupervisor) {
  const auto others = sys.registry().running();
  start_farm();
  submit(5);
  submit(5);
  const auto farm = handles();
  const size_t supervised = state_of<root_supervisor_state>(root).family.size()
                            + state_of<provider_supervisor_state>(farm.providers).family.size()
                            + provider_now().family.size()
                            + state_of<run_supervisor_state>(farm.runs).family.size();
  EXPECT_EQ(supervised, farm_part_count + 1u + 2u + 2u);
  EXPECT_EQ(sys.registry().running(), others + 1u + supervised) << "the root and all below it";
}

TEST_F(falling_actors, ARestartedSupervisorOfRunsGivesNoNameTwice) {
  start_farm();
  const auto earlier = submit(5);
  kill(handles().runs);
  advance(1s);
  EXPECT_NE(submit(5), earlier);
}

TEST_F(falling_actors, ASupervisorsFallTakesItsFamilyWithItAtOnce) {
  start_farm();
  submit(5);
  submit(5);
  const auto all = sys.registry().running();
  kill(the_provider_actor());
  EXPECT_EQ(sys.registry().running(), all - 3u) << "provider, connection, limiter";
  advance(1s);
  EXPECT_EQ(sys.registry().running(), all);
  kill(handles().runs);
  EXPECT_EQ(sys.registry().running(), all - 7u)
      << "run supervisor, two evaluations, and the younger ones: A/B tests, experiments, schedules, gateway";
}

TEST_F(falling_actors, YoungerSiblingsOfAFallenPartAreStartedAgainAndOlderOnesStay) {
  start_farm();
  submit(5);
  const auto before = handles();
  kill(before.providers);
  advance(1s);
  const auto after = handles();
  EXPECT_EQ(after.event_hub, before.event_hub);
  EXPECT_EQ(after.journal, before.journal);
  EXPECT_EQ(after.monitor, before.monitor);
  EXPECT_NE(after.providers, before.providers);
  EXPECT_NE(after.router, before.router);
  EXPECT_NE(after.runs, before.runs);
}

/// Time runs while the old ones are still ending: sixty milliseconds a message, more than the first backoff.
TEST_F(falling_actors, NothingIsStartedAgainBeforeWhatItReplacesHasEnded) {
  start_farm();
  submit(5);
  const auto all = sys.registry().running();
  caf::anon_send_exit(handles().router, caf::exit_reason::kill);
  for (int i = 0; i < 400; ++i) {
    sched.try_run_once();
    sched.advance_time(60ms);
    ASSERT_LE(sys.registry().running(), all);
  }
  EXPECT_EQ(sys.registry().running(), all);
}

TEST_F(falling_actors, ARouterThatFellIsNoLongerToldOfProviders) {
  start_farm();
  kill(handles().router);
  advance(1s);
  EXPECT_EQ(state_of<provider_supervisor_state>(handles().providers).watchers.size(), 1u);
}

TEST_F(falling_actors, AConnectionThatFallsWhileNothingIsToDoIsReplacedByItself) {
  start_farm();
  const auto opened = wire.opened;
  kill(the_connection());
  advance(100ms);
  EXPECT_EQ(wire.opened, opened + 1u);
}

TEST_F(falling_actors, ALimiterThatFallsWhileNothingIsToDoIsReplacedByItself) {
  wire.respond = [](const http_request&) { return std::optional{test::fake_wire::answer(0, "right")}; };
  start_farm();
  submit(1);
  advance(3s);
  kill(the_limiter());
  EXPECT_FALSE(the_limiter());
  advance(100ms);
  EXPECT_TRUE(the_limiter());
}

TEST_F(falling_actors, TheFarmSaysThatItIsBusyWhileItRestartsAPart) {
  start_farm();
  kill(handles().router);
  const auto answer = ask<farm_handles>(root, find_farm{});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, errc::busy);
  advance(1s);
  EXPECT_TRUE(ask<farm_handles>(root, find_farm{}).has_value());
}

TEST_F(falling_actors, APartThatFallsDuringARestartIsStartedWithTheOthers) {
  start_farm();
  const auto id = submit(5);
  const auto before = handles();
  kill(before.router);
  kill(before.journal);
  advance(2s);
  const auto after = handles();
  EXPECT_EQ(after.event_hub, before.event_hub);
  EXPECT_NE(after.journal, before.journal);
  EXPECT_NE(after.monitor, before.monitor);
  answer_everything();
  EXPECT_EQ(find(id).state, run_state::completed);
}

TEST_F(falling_actors, AMonitorThatFallsAgainAndAgainEndsTheFarmWithTheReason) {
  start_farm();
  for (int i = 0; i < 10 && !escalation; ++i) {
    if (const auto found = ask<farm_handles>(root, find_farm{}))
      kill(found->monitor);
    advance(2s, 50ms);
  }
  ASSERT_TRUE(escalation.has_value());
  EXPECT_EQ(escalation->code, errc::actor_lost);
  EXPECT_FALSE(ask<farm_handles>(root, find_farm{}).has_value()) << "the root is gone";
}

TEST_F(falling_actors, AMonitorThatFallsNowAndThenIsStartedAgainForEver) {
  start_farm();
  for (int i = 0; i < 20; ++i) {
    kill(handles().monitor);
    advance(10s, 100ms);
  }
  EXPECT_FALSE(escalation.has_value());
}

TEST_F(falling_actors, TheRootsEndTakesEveryActorWithIt) {
  start_farm();
  submit(5);
  EXPECT_GT(sys.registry().running(), 5u);
  kill(root);
  advance(1s);
  // What is left: the test's own scoped actor and CAF's.
  EXPECT_LE(sys.registry().running(), 2u);
}

} // namespace
} // namespace assay

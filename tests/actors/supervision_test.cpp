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

/// Finds living actors by looking into their supervisors.
class falling_actors : public farm_world {
protected:
  provider_actor the_provider_actor() {
    auto& state = state_of<provider_supervisor_state>(handles().providers);
    return state.children_by_id.at(test::the_provider).handle;
  }
  rate_limiter_actor the_limiter() {
    return state_of<provider_state>(the_provider_actor()).models.at(test::the_model)->limiter;
  }
  connection_actor the_connection() { return state_of<provider_state>(the_provider_actor()).wire; }
  evaluation_actor the_evaluation(run_id id) {
    return state_of<run_supervisor_state>(handles().runs).runs.at(id).child;
  }

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

#include "actors/fleet/model_router.hpp"
#include "tests/actors/router_parts.hpp"
#include "tests/support/actor_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace assay {
namespace {

using namespace std::chrono_literals;
using test::supervisor_of_none;
using testing::ElementsAre;

const run_id route_run{1'700'000'000U, 7U};

struct route_asker_state {
  std::vector<call_outcome> outcomes;
  std::vector<uint32_t> credits;
  std::vector<uint32_t> on_the_wire;
};

call_sink_actor::behavior_type route_asker(call_sink_actor::stateful_pointer<route_asker_state> self) {
  return {
      [self](const call_outcome_batch& batch) {
        auto& all = self->state.outcomes;
        all.insert(all.end(), batch.outcomes.begin(), batch.outcomes.end());
      },
      [self](const lane_credit& credit) {
        self->state.credits.push_back(credit.calls);
        self->state.on_the_wire.push_back(credit.on_the_wire);
      },
      [](const call_delta&) {},
      [](const calls_on_the_wire&) {},
  };
}

/// Stands for a provider: keeps what it gets.
struct route_target_state {
  std::vector<lane> lanes;
  std::vector<call> calls;
  size_t recalled = 0;
  size_t withdrawn = 0;
};

call_target_actor::behavior_type route_target(call_target_actor::stateful_pointer<route_target_state> self) {
  return {
      [self](const open_lane& wish) { self->state.lanes.push_back(wish.where); },
      [self](const call_batch& batch) {
        self->state.calls.insert(self->state.calls.end(), batch.calls.begin(), batch.calls.end());
      },
      [self](const withdraw_calls&) { ++self->state.withdrawn; },
      [self](const recall_calls&) { ++self->state.recalled; },
      [](const deltas_taken&) {},
      [](const close_lane&) {},
  };
}

/// Two models at two providers behind one name.
class route_test : public test::actor_test {
protected:
  route_strategy strategy = route_strategy::in_order;
  call_target_actor first = spawn(route_target);
  call_target_actor second = spawn(route_target);
  call_sink_actor evaluation = spawn(route_asker);
  model_router_actor router;
  uint64_t next = 0;

  lane the_lane() const {
    lane out;
    out.run = route_run;
    out.model = model_id{"either"};
    out.provider = provider_id{"a"};
    out.route.strategy = strategy;
    out.route.models = {{model_id{"m"}, provider_id{"a"}, "wire-m", token_prices{1, 1, {}}, 1, {}},
                        {model_id{"n"}, provider_id{"b"}, "wire-n", token_prices{9, 9, {}}, 1, {}}};
    return out;
  }

  void start() {
    model_router_config config;
    config.providers = spawn(supervisor_of_none);
    config.wall = [] { return wall_time{}; };
    router = spawn(model_router, config);
    run();
    tell(router, provider_up{provider_id{"a"}, first});
    tell(router, provider_up{provider_id{"b"}, second});
    tell(router, open_lane{the_lane(), evaluation});
    says(first, 10, true);
    says(second, 20, true);
  }

  void says(const call_target_actor& who, uint32_t calls, bool available) {
    const bool is_first = who == first;
    tell(router, lane_credit{route_run, calls, model_id{is_first ? "m" : "n"},
                             provider_id{is_first ? "a" : "b"}, available});
  }

  void ask(size_t count) {
    call_batch batch{the_lane(), {}, evaluation};
    for (size_t i = 0; i < count; ++i)
      batch.calls.emplace_back().id = call_id{++next};
    tell(router, std::move(batch));
  }

  void fails(uint64_t id, errc code, bool possibly_billed = false) {
    call_outcome outcome;
    outcome.id = call_id{id};
    outcome.error = fault{code, "so it is", {}, {}};
    if (code != errc::breaker_open)
      outcome.failures = {{code, 500, milliseconds{0}, possibly_billed, "so it is", "key-1", {}}};
    tell(router, call_outcome_batch{route_run, {outcome}});
  }

  void answers(uint64_t id, microseconds latency = milliseconds{100}, double dollars = 0.001) {
    call_outcome outcome;
    outcome.id = call_id{id};
    outcome.timing.first_byte = latency;
    outcome.cost = from_dollars(dollars);
    tell(router, call_outcome_batch{route_run, {outcome}});
  }

  route_target_state& at(const call_target_actor& which) { return state_of<route_target_state>(which); }
  route_asker_state& asked() { return state_of<route_asker_state>(evaluation); }
  size_t sent(const call_target_actor& which) { return at(which).calls.size(); }
};

TEST_F(route_test, EachTargetGetsALaneOfItsOwnModelAndPrices) {
  start();
  ASSERT_EQ(at(first).lanes.size(), 1u);
  ASSERT_EQ(at(second).lanes.size(), 1u);
  EXPECT_EQ(at(second).lanes[0].model, model_id{"n"});
  EXPECT_EQ(at(second).lanes[0].wire_model, "wire-n");
  EXPECT_EQ(at(second).lanes[0].prices->input_per_mtok, 9);
  EXPECT_TRUE(at(second).lanes[0].route.models.empty());
}

TEST_F(route_test, InOrderAsksTheFirstAndItsCreditCounts) {
  start();
  ask(3);
  EXPECT_EQ(sent(first), 3u);
  EXPECT_EQ(sent(second), 0u);
  EXPECT_EQ(asked().credits.back(), 10u);
}

TEST_F(route_test, AFailureThatAnotherMayNotHaveMovesTheCallAndIsRecorded) {
  start();
  ask(1);
  fails(1, errc::provider_unavailable);
  ASSERT_EQ(sent(second), 1u);
  EXPECT_TRUE(asked().outcomes.empty());
  answers(1);
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_FALSE(asked().outcomes[0].error);
  EXPECT_EQ(asked().outcomes[0].served_by, "b/n");
  const auto& failures = at(second).calls[0].failures;
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(failures[0].target, "a/m");
  EXPECT_EQ(failures[0].error, errc::provider_unavailable);
  EXPECT_EQ(failures[0].key, "key-1");
}

TEST_F(route_test, WhatTheCallItselfIsWrongAboutIsNotTriedElsewhere) {
  start();
  ask(1);
  fails(1, errc::provider_rejected);
  EXPECT_EQ(sent(second), 0u);
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::provider_rejected);
  EXPECT_EQ(asked().outcomes[0].served_by, "a/m");
}

TEST_F(route_test, ACallThatAllHaveFailedComesBackWithEveryReason) {
  start();
  ask(1);
  fails(1, errc::provider_unavailable);
  call_outcome outcome;
  outcome.id = call_id{1};
  outcome.error = fault{errc::provider_timeout, "late", {}, {}};
  outcome.failures = at(second).calls[0].failures;
  outcome.failures.push_back({errc::provider_timeout, 0, milliseconds{0}, false, "late", {}, {}});
  tell(router, call_outcome_batch{route_run, {outcome}});
  ASSERT_EQ(asked().outcomes.size(), 1u);
  ASSERT_EQ(asked().outcomes[0].failures.size(), 2u);
  EXPECT_EQ(asked().outcomes[0].failures[0].target, "a/m");
  EXPECT_EQ(asked().outcomes[0].failures[1].target, "b/n");
  EXPECT_TRUE(state_of<model_router_state>(router).calls.empty());
}

TEST_F(route_test, ACallThatMayHaveBeenPaidForTwiceIsNotPaidForAThirdTime) {
  start();
  ask(1);
  call_outcome outcome;
  outcome.id = call_id{1};
  outcome.error = fault{errc::truncated_answer, "cut", {}, {}};
  for (int i = 0; i < 2; ++i)
    outcome.failures.push_back({errc::truncated_answer, 200, milliseconds{0}, true, "cut", {}, {}});
  tell(router, call_outcome_batch{route_run, {outcome}});
  EXPECT_EQ(sent(second), 0u);
  EXPECT_EQ(asked().outcomes.size(), 1u);
}

TEST_F(route_test, ATargetThatTakesNoneIsPassedOverUntilItDoes) {
  start();
  says(first, 10, false);
  EXPECT_EQ(asked().credits.back(), 20u) << "the standby's credit counts now";
  ask(2);
  EXPECT_EQ(sent(first), 0u);
  EXPECT_EQ(sent(second), 2u);
  says(first, 10, true);
  ask(1);
  EXPECT_EQ(sent(first), 1u);
}

TEST_F(route_test, AWaitingCallThatComesBackIsNoTryAndGoesOn) {
  start();
  ask(1);
  EXPECT_TRUE(at(first).calls[0].movable);
  fails(1, errc::breaker_open);
  ASSERT_EQ(sent(second), 1u);
  EXPECT_FALSE(at(second).calls[0].movable) << "there is nowhere else to go";
  ASSERT_EQ(at(second).calls[0].failures.size(), 1u);
  EXPECT_EQ(at(second).calls[0].failures[0].error, errc::breaker_open);
  EXPECT_EQ(at(second).calls[0].failures[0].target, "a/m");
}

TEST_F(route_test, WhenNoneTakesCallsTheyWaitAtTheFirstAndAreCalledBackForTheOneThatRecovers) {
  start();
  says(first, 10, false);
  says(second, 20, false);
  ask(1);
  ASSERT_EQ(sent(first), 1u);
  EXPECT_FALSE(at(first).calls[0].movable);
  says(second, 20, true);
  EXPECT_EQ(at(first).recalled, 1u);
  fails(1, errc::breaker_open);
  EXPECT_EQ(sent(second), 1u);
}

TEST_F(route_test, RoundRobinTakesTurnsAndBothCreditsCount) {
  strategy = route_strategy::round_robin;
  start();
  ask(6);
  EXPECT_EQ(sent(first), 3u);
  EXPECT_EQ(sent(second), 3u);
  EXPECT_EQ(asked().credits.back(), 30u);
}

TEST_F(route_test, CostOptimizedLearnsWhatCallsCost) {
  strategy = route_strategy::cost_optimized;
  start();
  ask(1);
  const bool asked_first = sent(first) == 1;
  answers(1, milliseconds{100}, 0.5);
  fails(0, errc::internal); // Not ours: must change nothing.
  says(asked_first ? first : second, 10, false);
  ask(1);
  answers(2, milliseconds{100}, 0.001);
  says(asked_first ? first : second, 10, true);
  const auto before = sent(asked_first ? second : first);
  ask(4);
  EXPECT_EQ(sent(asked_first ? second : first), before + 4) << "the cheap one";
}

TEST_F(route_test, PerformanceBasedPrefersTheQuick) {
  strategy = route_strategy::performance_based;
  start();
  says(second, 20, false);
  ask(1);
  answers(1, milliseconds{2000});
  says(second, 20, true);
  says(first, 10, false);
  ask(1);
  answers(2, milliseconds{50});
  says(first, 10, true);
  const auto before = sent(second);
  ask(5);
  EXPECT_EQ(sent(second), before + 5);
}

TEST_F(route_test, LeastLoadedSpreadsByTheShareOfTheWindowInUse) {
  strategy = route_strategy::least_loaded;
  start();
  for (int i = 0; i < 9; ++i)
    ask(1);
  EXPECT_EQ(sent(first), 3u) << "a window of five against one of ten";
  EXPECT_EQ(sent(second), 6u);
}

TEST_F(route_test, CallsOnTheWireAreThoseOfAllTargetsAndNoneWhereAProviderHasFallen) {
  start();
  const auto on_the_wire = [&](const char* model, const char* provider, uint32_t calls) {
    tell(router, lane_credit{route_run, 10, model_id{model}, provider_id{provider}, true, {}, calls});
  };
  EXPECT_EQ(asked().on_the_wire.back(), 0u);
  on_the_wire("m", "a", 3);
  on_the_wire("n", "b", 4);
  EXPECT_EQ(asked().on_the_wire.back(), 7u);
  const auto told = asked().on_the_wire.size();
  on_the_wire("n", "b", 4);
  EXPECT_EQ(asked().on_the_wire.size(), told) << "no news";
  tell(router, open_lane{the_lane(), evaluation});
  EXPECT_EQ(asked().on_the_wire.back(), 7u) << "said again to whoever announces the lane again";
  kill(first);
  EXPECT_EQ(asked().on_the_wire.back(), 4u);
}

TEST_F(route_test, CallsOfAProviderThatStaysDownGoToTheOther) {
  start();
  ask(2);
  kill(first);
  ask(1);
  EXPECT_EQ(sent(second), 1u) << "new calls go there at once";
  advance(31s);
  EXPECT_EQ(sent(second), 3u);
  answers(1);
  answers(2);
  answers(3);
  EXPECT_EQ(asked().outcomes.size(), 3u);
}

TEST_F(route_test, AWithdrawalReachesEveryProviderAndEndsTheMoving) {
  start();
  ask(1);
  tell(router, withdraw_calls{route_run, std::nullopt});
  EXPECT_EQ(at(first).withdrawn, 1u);
  EXPECT_EQ(at(second).withdrawn, 1u);
  fails(1, errc::provider_unavailable);
  EXPECT_EQ(sent(second), 0u);
  EXPECT_EQ(asked().outcomes.size(), 1u);
}

TEST_F(route_test, AnAnswerOfWhichPiecesHaveGoneOutIsNotAskedAgain) {
  start();
  ask(1);
  tell(router, call_delta{call_id{1}, {{0, "half", {}, {}}}, 4});
  fails(1, errc::truncated_answer, true);
  EXPECT_EQ(sent(second), 0u);
  EXPECT_EQ(asked().outcomes.size(), 1u);
}

TEST_F(route_test, WhatIsInUseComesBackToZero) {
  start();
  ask(4);
  fails(1, errc::provider_unavailable);
  fails(2, errc::breaker_open);
  for (uint64_t id = 1; id <= 4; ++id)
    answers(id);
  for (const auto& [id, record] : state_of<model_router_state>(router).records)
    EXPECT_EQ(record.in_use, 0u) << id.first.value;
  EXPECT_EQ(state_of<model_router_state>(router).lanes.at(route_run).open, 0u);
}

} // namespace
} // namespace assay

#include "actors/fleet/model_router.hpp"
#include "tests/actors/router_parts.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/amounts.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using namespace std::chrono_literals;
using test::dollars;
using test::supervisor_of_none;
using testing::HasSubstr;

const run_id paid_run{1'700'000'000U, 7U};

/// Stands for an evaluation.
struct paying_asker_state {
  std::vector<call_outcome> outcomes;
  std::vector<std::string> reasons; ///< To wait.
};

call_sink_actor::behavior_type paying_asker(call_sink_actor::stateful_pointer<paying_asker_state> self) {
  return {
      [self](const call_outcome_batch& batch) {
        auto& all = self->state.outcomes;
        all.insert(all.end(), batch.outcomes.begin(), batch.outcomes.end());
      },
      [self](const lane_credit& credit) { self->state.reasons.push_back(credit.why); },
      [](const call_delta&) {},
      [](const calls_on_the_wire&) {},
  };
}

/// Stands for a provider.
struct paid_target_state {
  std::vector<call> calls;
};

call_target_actor::behavior_type paid_target(call_target_actor::stateful_pointer<paid_target_state> self) {
  return {
      [](const open_lane&) {},
      [self](const call_batch& batch) {
        self->state.calls.insert(self->state.calls.end(), batch.calls.begin(), batch.calls.end());
      },
      [](const withdraw_calls&) {},
      [](const recall_calls&) {},
      [](const deltas_taken&) {},
      [](const close_lane&) {},
  };
}

/// Stands for the budget keeper.
struct keeper_state {
  std::vector<lease_wish> wishes;
  std::vector<lease_settlement> settled;
  lease_holder_actor holder;
};

budget_keeper_actor::behavior_type keeper(budget_keeper_actor::stateful_pointer<keeper_state> self) {
  return {
      [](const committed&) {},
      [self](const request_lease& message) {
        self->state.wishes.push_back(message.wish);
        self->state.holder = message.holder;
      },
      [self](const leases_settled& news) {
        auto& all = self->state.settled;
        all.insert(all.end(), news.parts.begin(), news.parts.end());
      },
      [](const take_over_leases&) {},
      [](const read_budgets&) { return budget_states{}; },
      [](const read_gauges&) { return gauges{}; },
      [](const run_cost_found&) {},
      [](const tick&) {},
  };
}

/// The money of calls, at the router alone. A token of an answer costs a dollar; prompts cost nothing.
class router_budget : public test::actor_test {
protected:
  budget_keeper_actor budgets = spawn(keeper);
  call_sink_actor evaluation = spawn(paying_asker);
  call_target_actor first = spawn(paid_target);
  call_target_actor second = spawn(paid_target);
  model_router_actor router;
  lane where;
  std::shared_ptr<wall_time> today = std::make_shared<wall_time>();

  router_budget() {
    where.run = paid_run;
    where.model = model_id{"m"};
    where.provider = provider_id{"a"};
    where.prices = token_prices{0, 1e6, std::nullopt};
    where.tenant = user_id{"ann"};
  }

  void start() {
    model_router_config config;
    config.providers = spawn(supervisor_of_none);
    config.wall = [today = today] { return *today; };
    config.budgets = budgets;
    config.charged_tries = 1;
    router = spawn(model_router, config);
    run();
    tell(router, provider_up{provider_id{"a"}, first});
    tell(router, provider_up{provider_id{"b"}, second});
    tell(router, open_lane{where, evaluation});
    tell(router, lane_credit{paid_run, 10, model_id{"m"}, provider_id{"a"}});
  }

  /// Another model stands by, at three times the price.
  void add_standby() {
    where.route.models = {{model_id{"m"}, provider_id{"a"}, "m", token_prices{0, 1e6, {}}, 1, {}},
                          {model_id{"n"}, provider_id{"b"}, "n", token_prices{0, 3e6, {}}, 1, {}}};
  }

  /// A call that may cost so many dollars. @param patience How long its caller lets it wait; 0: for ever.
  void ask_call(uint64_t id, uint32_t worth, milliseconds patience = 0ms) {
    call_batch batch{where, {}, evaluation};
    auto& request = batch.calls.emplace_back();
    request.id = call_id{id};
    request.parameters.max_tokens = worth;
    if (patience > 0ms)
      request.send_by = (now() + patience).time_since_epoch();
    tell(router, std::move(batch));
  }

  void grant(uint64_t lease, int64_t amount, uint32_t target = 0) {
    lease_granted news;
    news.run = paid_run;
    news.target = target;
    news.lease = lease;
    news.amount = dollars(amount);
    tell(router, std::move(news));
  }

  void refuse(uint32_t target, bool of_model, const char* setting = "a setting") {
    lease_refused news;
    news.run = paid_run;
    news.target = target;
    news.reason = {errc::budget_exhausted, "spent", setting, {}};
    news.of_model = of_model;
    tell(router, std::move(news));
  }

  void fail(uint64_t id) {
    call_outcome failed;
    failed.id = call_id{id};
    failed.error = fault{errc::provider_unavailable, "no", {}, {}};
    failed.failures = {{errc::provider_unavailable, 503, 0ms, false, "no", {}, {}}};
    tell(router, call_outcome_batch{paid_run, {failed}});
  }

  void answer(uint64_t id, int64_t cost) {
    call_outcome outcome;
    outcome.id = call_id{id};
    outcome.cost = dollars(cost);
    tell(router, call_outcome_batch{paid_run, {outcome}});
  }

  keeper_state& at_keeper() { return state_of<keeper_state>(budgets); }
  paying_asker_state& asked() { return state_of<paying_asker_state>(evaluation); }
  size_t sent(const call_target_actor& which) { return state_of<paid_target_state>(which).calls.size(); }
  money spent() {
    money out;
    for (const auto& one : at_keeper().settled)
      out += one.spent;
    return out;
  }
  money returned() {
    money out;
    for (const auto& one : at_keeper().settled)
      out += one.returned;
    return out;
  }
};

TEST_F(router_budget, AQuestionThatWaitsForMoneyUntilItsTimeIsUpSaysSo) {
  where.interactive = true;
  start();
  grant(1, 5);
  ask_call(1, 5, 60s);
  ask_call(2, 5, 5s);
  ask_call(3, 5, 60s);
  ASSERT_EQ(sent(first), 1u) << "the others have no money";
  advance(4s, 100ms);
  EXPECT_TRUE(asked().outcomes.empty());
  advance(1s, 100ms);
  ASSERT_EQ(asked().outcomes.size(), 1u);
  const auto& late = asked().outcomes[0];
  EXPECT_EQ(late.id, call_id{2});
  ASSERT_TRUE(late.error);
  EXPECT_EQ(late.error->code, errc::rate_limited);
  EXPECT_THAT(late.error->message, HasSubstr("budget"));
  answer(1, 1);
  grant(2, 5);
  EXPECT_EQ(sent(first), 2u) << "the third has its money";
}

TEST_F(router_budget, NoCallGoesBeforeItsMoneyIsThere) {
  start();
  ASSERT_EQ(at_keeper().wishes.size(), 1u) << "the first lease is asked for before the first call";
  ask_call(1, 4);
  EXPECT_EQ(sent(first), 0u);
  grant(1, 10);
  EXPECT_EQ(sent(first), 1u);
  ask_call(2, 6);
  EXPECT_EQ(sent(first), 2u);
  ask_call(3, 1);
  EXPECT_EQ(sent(first), 2u) << "nothing is left";
  ASSERT_EQ(at_keeper().wishes.size(), 2u);
  EXPECT_EQ(at_keeper().wishes[1].least, dollars(1));
}

TEST_F(router_budget, WithoutABudgetCallsGoAtOnce) {
  start();
  lease_granted news;
  news.run = paid_run;
  news.unlimited = true;
  tell(router, std::move(news));
  ask_call(1, 4'000'000);
  EXPECT_EQ(sent(first), 1u);
  answer(1, 100);
  advance(2s, 100ms);
  EXPECT_TRUE(at_keeper().settled.empty());
}

TEST_F(router_budget, WhatACallCostIsBookedAndTheRestComesBackAtTheEnd) {
  start();
  grant(1, 10);
  ask_call(1, 4);
  answer(1, 3);
  advance(1s, 100ms);
  EXPECT_EQ(spent(), dollars(3));
  EXPECT_EQ(returned(), money{}) << "the lane may need it";
  tell(router, close_lane{paid_run});
  EXPECT_EQ(spent(), dollars(3));
  EXPECT_EQ(returned(), dollars(7));
}

TEST_F(router_budget, ARefusalEndsTheCallsThatWaitWithItsReason) {
  start();
  ask_call(1, 4);
  ask_call(2, 4);
  tell(router, lease_refused{paid_run, 0, {errc::budget_exhausted, "spent", "max_cost", {}}});
  ASSERT_EQ(asked().outcomes.size(), 2u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::budget_exhausted);
  EXPECT_EQ(asked().outcomes[0].error->where, "max_cost");
  EXPECT_FALSE(asked().outcomes[0].possibly_billed);
  EXPECT_EQ(sent(first), 0u);
  EXPECT_TRUE(state_of<model_router_state>(router).calls.empty());
  EXPECT_EQ(state_of<model_router_state>(router).lanes.at(paid_run).open, 0u);
}

TEST_F(router_budget, CallsThatAreWithdrawnWhileTheyWaitNeverGo) {
  start();
  ask_call(1, 4);
  tell(router, withdraw_calls{paid_run, std::nullopt});
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::cancelled);
  grant(1, 10);
  EXPECT_EQ(sent(first), 0u);
  tell(router, close_lane{paid_run});
  EXPECT_EQ(returned(), dollars(10));
}

TEST_F(router_budget, ALaneThatWaitsSaysSoAndThatItDoesNoMore) {
  start();
  ask_call(1, 4);
  advance(500ms);
  EXPECT_THAT(asked().reasons, testing::Each(testing::IsEmpty()));
  advance(2s, 100ms);
  ASSERT_FALSE(asked().reasons.empty());
  EXPECT_THAT(asked().reasons.back(), HasSubstr("budget"));
  grant(1, 10);
  EXPECT_EQ(asked().reasons.back(), "");
}

TEST_F(router_budget, ACallThatMovesIsReservedByTheOtherModelsPrices) {
  add_standby();
  start();
  EXPECT_TRUE(at_keeper().wishes.empty()) << "nothing is leased for models that nobody has asked yet";
  ask_call(1, 4);
  ASSERT_EQ(at_keeper().wishes.size(), 1u);
  grant(1, 10);
  ASSERT_EQ(sent(first), 1u);
  call_outcome failed;
  failed.id = call_id{1};
  failed.error = fault{errc::provider_unavailable, "no", {}, {}};
  failed.failures = {{errc::provider_unavailable, 503, 0ms, true, "no", {}, {}}};
  tell(router, call_outcome_batch{paid_run, {failed}});
  EXPECT_EQ(sent(second), 0u) << "that model's money is not there yet";
  ASSERT_EQ(at_keeper().wishes.size(), 2u);
  EXPECT_EQ(at_keeper().wishes[1].model, model_id{"n"});
  EXPECT_EQ(at_keeper().wishes[1].target, 1u);
  grant(2, 20, 1);
  ASSERT_EQ(sent(second), 1u);
  answer(1, 9);
  tell(router, close_lane{paid_run});
  EXPECT_EQ(spent(), dollars(4 + 9)) << "the first try may have been billed";
  EXPECT_EQ(returned(), dollars(6 + 11));
}

TEST_F(router_budget, AModelWhoseBudgetIsSpentIsPassedOverAndItsCallsGoOn) {
  add_standby();
  start();
  tell(router, lane_credit{paid_run, 20, model_id{"n"}, provider_id{"b"}});
  ask_call(1, 4);
  ask_call(2, 4);
  refuse(0, true);
  EXPECT_TRUE(asked().outcomes.empty());
  ASSERT_EQ(at_keeper().wishes.size(), 2u);
  EXPECT_EQ(at_keeper().wishes[1].model, model_id{"n"});
  EXPECT_EQ(state_of<model_router_state>(router).lanes.at(paid_run).credit, 20u)
      << "the standby's counts now";
  grant(2, 100, 1);
  ASSERT_EQ(sent(second), 2u);
  const auto& failures = state_of<paid_target_state>(second).calls[0].failures;
  ASSERT_EQ(failures.size(), 1u) << "the sample says why it went on";
  EXPECT_EQ(failures[0].error, errc::budget_exhausted);
  EXPECT_EQ(failures[0].target, "a/m");
  EXPECT_EQ(failures[0].message, "spent");
  EXPECT_FALSE(failures[0].possibly_billed);
  ask_call(3, 4);
  EXPECT_EQ(sent(second), 3u);
  EXPECT_EQ(sent(first), 0u);
  EXPECT_EQ(at_keeper().wishes.size(), 2u) << "the first one's money is not asked for again";
  for (uint64_t id = 1; id <= 3; ++id)
    answer(id, 6);
  EXPECT_EQ(asked().outcomes.size(), 3u);
  for (const auto& [id, record] : state_of<model_router_state>(router).records)
    EXPECT_EQ(record.in_use, 0u) << id.first.value;
  tell(router, close_lane{paid_run});
  EXPECT_EQ(spent(), dollars(18));
  EXPECT_EQ(returned(), dollars(82));
}

TEST_F(router_budget, WhenNoModelHasMoneyTheRefusalEndsTheCall) {
  add_standby();
  start();
  ask_call(1, 4);
  refuse(0, true, "first");
  EXPECT_TRUE(asked().outcomes.empty());
  refuse(1, true, "second");
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::budget_exhausted);
  EXPECT_EQ(asked().outcomes[0].error->where, "second");
  ASSERT_EQ(asked().outcomes[0].failures.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].failures[0].target, "a/m");
  const auto& state = state_of<model_router_state>(router);
  EXPECT_TRUE(state.calls.empty());
  EXPECT_EQ(state.lanes.at(paid_run).open, 0u);
  EXPECT_EQ(state.lanes.at(paid_run).held, 0u);
  for (const auto& [id, record] : state.records)
    EXPECT_EQ(record.in_use, 0u) << id.first.value;
}

TEST_F(router_budget, ABudgetOfAllModelsEndsTheCallAtTheFirst) {
  add_standby();
  start();
  ask_call(1, 4);
  refuse(0, false, "max_cost");
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].error->where, "max_cost");
  EXPECT_EQ(at_keeper().wishes.size(), 1u);
}

TEST_F(router_budget, ACallTooExpensiveForOneModelGoesToTheNextAndOthersStay) {
  add_standby();
  start();
  ask_call(1, 4);
  lease_granted news;
  news.run = paid_run;
  news.lease = 1;
  news.amount = dollars(10);
  news.per_request = dollars(3);
  news.per_request_setting = "models.m.cost_management.max_cost_per_request";
  tell(router, std::move(news));
  EXPECT_EQ(sent(first), 0u);
  grant(2, 100, 1);
  ASSERT_EQ(sent(second), 1u);
  EXPECT_EQ(state_of<paid_target_state>(second).calls[0].failures.at(0).error, errc::request_over_budget);
  ask_call(2, 1);
  EXPECT_EQ(sent(first), 1u);
}

TEST_F(router_budget, ASampleThatOneModelFailsEndsNoRunBecauseTheOtherHasNoMoney) {
  add_standby();
  start();
  ask_call(1, 4);
  grant(1, 10);
  ASSERT_EQ(sent(first), 1u);
  fail(1);
  refuse(1, true);
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::provider_unavailable);
  ask_call(2, 4);
  EXPECT_EQ(sent(first), 2u);
  fail(2);
  ASSERT_EQ(asked().outcomes.size(), 2u) << "there is nowhere else to go";
  EXPECT_EQ(asked().outcomes[1].error->code, errc::provider_unavailable);
}

TEST_F(router_budget, OfOneModelAloneTheBudgetIsTheReasonWhateverFailedBefore) {
  start();
  grant(1, 4);
  ask_call(1, 4);
  ASSERT_EQ(sent(first), 1u);
  kill(first);
  refuse(0, true);
  ASSERT_EQ(asked().outcomes.size(), 1u);
  EXPECT_EQ(asked().outcomes[0].error->code, errc::budget_exhausted);
  EXPECT_EQ(asked().outcomes[0].failures.size(), 1u);
}

TEST_F(router_budget, OnTheNextDayAModelsMoneyIsAskedForAgain) {
  add_standby();
  start();
  ask_call(1, 4);
  refuse(0, true);
  grant(1, 100, 1);
  *today += 23h;
  ask_call(2, 4);
  EXPECT_EQ(sent(second), 2u);
  *today += 2h;
  ask_call(3, 4);
  EXPECT_EQ(sent(second), 2u);
  ASSERT_EQ(at_keeper().wishes.size(), 3u);
  EXPECT_EQ(at_keeper().wishes[2].model, model_id{"m"});
  grant(2, 10, 0);
  EXPECT_EQ(sent(first), 1u);
}

TEST_F(router_budget, AnAskerThatFallsLeavesItsCallsAsPossiblyBilled) {
  start();
  grant(1, 10);
  ask_call(1, 4);
  ask_call(2, 100);
  kill(evaluation);
  advance(1s, 100ms);
  EXPECT_EQ(spent(), dollars(4)) << "of the one that was out";
  EXPECT_EQ(returned(), dollars(6));
}

TEST_F(router_budget, ARouterThatEndsInOrderReturnsWhatIsFree) {
  start();
  grant(1, 10);
  ask_call(1, 4);
  kill(router, caf::exit_reason::user_shutdown);
  EXPECT_EQ(spent(), money{});
  EXPECT_EQ(returned(), dollars(6)) << "the rest counts as spent until the store tells";
}

TEST_F(router_budget, ARecallReturnsWhatIsFree) {
  start();
  grant(1, 10);
  ask_call(1, 4);
  tell(router, lease_recalled{paid_run});
  EXPECT_EQ(returned(), dollars(6));
  answer(1, 1);
  EXPECT_EQ(spent(), dollars(1));
  EXPECT_EQ(returned(), dollars(9));
}

TEST_F(router_budget, WhatABatchHasLeftOverIsInNoHurry) {
  where.way = call_way::batch;
  start();
  EXPECT_TRUE(at_keeper().wishes.empty()) << "most of its calls never come here";
  ask_call(1, 2);
  ASSERT_EQ(at_keeper().wishes.size(), 1u);
  EXPECT_TRUE(at_keeper().wishes[0].patient) << "its own batches may hold the money for a day";
  EXPECT_FALSE(at_keeper().wishes[0].of_batch);
}

TEST_F(router_budget, TheKeeperHearsWhoAsks) {
  where.interactive = true;
  where.api_key = "key-7";
  where.key_budget = dollars(3);
  start();
  ASSERT_EQ(at_keeper().wishes.size(), 1u);
  const auto& wish = at_keeper().wishes[0];
  EXPECT_TRUE(wish.interactive);
  EXPECT_EQ(wish.api_key, "key-7");
  EXPECT_EQ(wish.key_budget, dollars(3));
  EXPECT_EQ(wish.tenant, user_id{"ann"});
}

TEST_F(router_budget, AProviderThatFallsTwiceIsPaidTwice) {
  start();
  grant(1, 10);
  ask_call(1, 4);
  kill(first);
  EXPECT_EQ(returned(), money{});
  first = spawn(paid_target);
  tell(router, provider_up{provider_id{"a"}, first});
  EXPECT_EQ(sent(first), 1u) << "four more dollars were there";
  kill(first);
  first = spawn(paid_target);
  tell(router, provider_up{provider_id{"a"}, first});
  EXPECT_EQ(sent(first), 0u) << "and now they are not";
  advance(1s, 100ms);
  EXPECT_EQ(spent(), dollars(8));
}

} // namespace
} // namespace assay
